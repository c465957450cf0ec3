"""The pages: Dash lays them out and routes between them, `assets/live.js` and its neighbours keep them live."""
