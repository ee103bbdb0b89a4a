"""The engine, from the outside: real workers, a real PostgreSQL, a real Redis."""
