"""The statements and the rules of the tables, on PostgreSQL itself."""
