"""E-mail against real SMTP servers."""
