"""The live feed `/ws/v1/live`.

`follower` hears of changes, `frames` builds what is said of them, `hub` gives it to every client, `socket` is one client's
connection. The frames are described in docs/live-feed.md.
"""
