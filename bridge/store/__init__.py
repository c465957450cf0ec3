"""The database: connections, migrations, named queries, and one module a noun. Functions take a connection; callers own the transaction."""
