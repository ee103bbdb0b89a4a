"""What all triggers can do."""

from datetime import datetime
from typing import Protocol


class Trigger(Protocol):
    def next_after(self, moment: datetime) -> datetime | None:
        """The first moment later than this one at which it is due, in UTC; None if there is none."""
