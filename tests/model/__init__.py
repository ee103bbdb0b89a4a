"""The state machine against a model of it, on a real PostgreSQL; and without each of its guards in turn."""
