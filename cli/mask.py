"""What may be shown of a setting."""

from urllib.parse import urlsplit

from pydantic import SecretStr

MASK = "********"


def shown(value: object) -> str | int | float | None:
    """A setting as it may be shown: no passwords, neither alone nor in a URL."""
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, tuple):
        return ", ".join(value)
    text = str(value)
    parts = urlsplit(text)
    if not parts.scheme or not parts.netloc:
        return text
    login, at, address = parts.netloc.rpartition("@")
    login = f"{login.split(':')[0]}:{MASK}" if ":" in login else login
    query = f"?{MASK}" if parts.query else ""  # it can hold a password too
    return f"{parts.scheme}://{login}{at}{address}{parts.path}{query}"
