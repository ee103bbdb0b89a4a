"""MEMORY: models, sessions, migrations, and one file of named, guarded SQL per thing."""
