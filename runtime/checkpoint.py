"""What a job keeps for its next attempt."""

from typing import Any

import orjson

from runtime import payload


class Checkpoint:
    """What is kept of a job between its attempts: the job's own data, and how far its loops have come."""

    def __init__(self, data: Any = None, loops: dict[str, int] | None = None) -> None:
        self.data = data
        self.loops = loops or {}  # by name: how many items are done
        self.items: list[str] = []  # those done since it was saved, where a loop remembers them by key
        self.is_ahead = False  # of what is saved

    def encode(self) -> str:
        """As JSON. Raises BadArguments or TooLarge."""
        return payload.encode_kept({"data": self.data, "loops": self.loops}, "the checkpoint")

    def take_items(self) -> list[str]:
        taken, self.items, self.is_ahead = self.items, [], False
        return taken

    @classmethod
    def decode(cls, text: str) -> "Checkpoint":
        kept = orjson.loads(text)
        return cls(kept["data"], kept["loops"])
