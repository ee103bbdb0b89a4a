"""REQUESTS: what callers may ask for. A service writes a row, sends a message and returns; it never does the work."""
