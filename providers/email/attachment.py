"""Files that travel with an e-mail."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

from errors import BadArguments, TooLarge
from providers.email.address import read_line

MOST_FILES = 20
MOST_BYTES = 10 * 1024 * 1024  # of all files together; 37 % more once they are encoded, which every server takes

_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,100}/[A-Za-z0-9!#$&^_.+-]{1,100}")
_KEYS = {"name", "type", "content"}


@dataclass(frozen=True)
class Attachment:
    name: str
    type: str  # "application/pdf"
    content: bytes

    def add_to(self, mail: EmailMessage) -> None:
        main, _, sub = self.type.partition("/")
        # Always base64: a text's line ends and 8-bit letters arrive as they are.
        mail.add_attachment(self.content, maintype=main, subtype=sub, filename=self.name, cte="base64")


def read_attachments(value: object) -> tuple[Attachment, ...]:
    """A list of `{"name": "bill.pdf", "type": "application/pdf", "content": <base64>}`. Raises BadArguments
    or TooLarge."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or len(value) > MOST_FILES:
        raise BadArguments(f"attachments is not a list of at most {MOST_FILES} files.", "attachments")
    files = tuple(_read(item, f"attachments[{index}]") for index, item in enumerate(value))
    size = sum(len(file.content) for file in files)
    if size > MOST_BYTES:
        raise TooLarge("The attachments", size, MOST_BYTES)
    return files


def _read(value: Any, path: str) -> Attachment:
    if not isinstance(value, Mapping) or set(value) - _KEYS or not {"name", "content"} <= set(value):
        raise BadArguments(f"{path} is not a mapping of name, type and content (base64).", path)
    name = read_line(value["name"], f"{path}.name")
    if not 0 < len(name) <= 200 or "/" in name or "\\" in name:
        raise BadArguments(f"{path}.name is not a file's name of at most 200 characters.", f"{path}.name")
    kind = value.get("type") or "application/octet-stream"
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind) or kind.lower().startswith(("multipart/", "message/")):
        raise BadArguments(f"{path}.type is not a media type like application/pdf.", f"{path}.type")
    return Attachment(name, kind.lower(), _decoded(value["content"], f"{path}.content"))


def _decoded(value: object, path: str) -> bytes:
    if isinstance(value, str) and len(value) <= MOST_BYTES * 2:
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            pass
    raise BadArguments(f"{path} is not base64. Pass base64.b64encode(content).decode().", path)
