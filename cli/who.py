"""Who acts on the command line, as the audit says it."""

import getpass


def who() -> str:
    """`cli:<login name>`."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user without a name
        return "cli"
