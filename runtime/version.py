"""Which Callboard this is: workers say it in their rows. pyproject.toml reads it, too."""

VERSION = "0.1.0"
