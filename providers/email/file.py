"""Sends e-mail to a folder: each message becomes one `.eml` file that any mail program opens."""

import asyncio
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from errors import NotSent
from providers.email.message import Message
from providers.email.receipt import Receipt
from providers.http import Progress


@dataclass(frozen=True)
class FileProvider:
    """A second attempt writes the same file again, so here a mail is never doubled."""

    folder: Path
    name: str = "file"

    async def send(self, message: Message, recipients: Sequence[str], progress: Progress | None = None) -> Receipt:
        path = self.folder / f"{message.id}.eml"
        try:
            await asyncio.to_thread(_write, path, message.as_bytes())
        except OSError as error:
            raise NotSent(
                f"The e-mail could not be written to {self.folder}: {error.strerror or error}. "
                "Make the folder writable, or set EMAIL_FOLDER to another one."
            ) from error
        return Receipt(self.name, message.message_id, tuple(recipients), {}, reply=path.name)


def _write(path: Path, content: bytes) -> None:
    """All of it or nothing: readers of the folder never see half a mail, even after a power cut."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
