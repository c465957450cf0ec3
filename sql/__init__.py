"""The database as text: migrations (numbered, forward only), editions, and named queries by noun."""
