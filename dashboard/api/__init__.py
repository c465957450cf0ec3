"""The HTTP API (`/api/v1`), logins, and the live feed (`/ws/v1/live`)."""
