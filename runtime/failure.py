"""What is kept of an error, whatever the error itself is like."""

import traceback
from dataclasses import dataclass

_MESSAGE = 10_000  # characters
_TRACEBACK = 64_000


@dataclass(frozen=True)
class Failure:
    """An error as text that PostgreSQL takes: no NUL, no half surrogate pairs, not too long."""

    type: str
    message: str
    traceback: str

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        """Also of an error that cannot be shown: its own code must not strand the job it failed."""
        kind = type(error).__name__
        try:
            message = str(error)
        except Exception as worse:  # noqa: BLE001 (whatever a stranger's __str__ raises)
            message = f"{kind}, whose text cannot be had: {type(worse).__name__}"
        try:
            trace = "".join(traceback.format_exception(error))
        except Exception as worse:  # noqa: BLE001 (the same)
            trace = "".join(traceback.format_tb(error.__traceback__)) + f"{kind}: {type(worse).__name__}\n"
        return cls(storable(kind), storable(message)[:_MESSAGE], storable(trace)[-_TRACEBACK:])


def storable(text: str) -> str:
    """The same text without what PostgreSQL does not take."""
    return text.replace("\0", "\\0").encode(errors="backslashreplace").decode()
