"""Writes the headers of e-mails, names and subjects of any language included.

The standard library's own writing of them cannot be trusted with texts that others chose: folding a long quoted name it
loses the quotes, so that a name with a comma becomes addresses; a word that looks encoded it decodes, line breaks
included; a link of over 78 characters it encodes. Here what is written is what was meant: texts are encoded first, and
then only broken at their spaces.
"""

import re
from collections.abc import Iterable
from email.header import Header
from email.headerregistry import Address, BaseHeader
from email.policy import EmailPolicy
from email.utils import quote
from textwrap import wrap
from typing import Any

_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")  # what needs no quotes (RFC 5322, section 3.2.3)
_LONGEST = 78  # characters of a line (RFC 5322, section 2.1.1)
_SPLIT = "content-disposition"  # a file's name may be longer than a line can be (RFC 2231, section 3)


class _ReadyHeaders(EmailPolicy):
    """Headers whose texts are ready to be sent. The standard library's own would be parsed, each in a class that is
    made for it, which takes longer than all the rest of a mail; it has those with files' names."""

    def header_max_count(self, name: str) -> int | None:
        return None

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        if name.lower() == _SPLIT:
            return super().header_store_parse(name, value)
        if "\r" in value or "\n" in value:
            raise ValueError(f"The header {name} contains a line break.")
        return name, value

    def header_fetch_parse(self, name: str, value: Any) -> Any:
        return value

    def fold(self, name: str, value: Any) -> str:
        if isinstance(value, BaseHeader):
            return value.fold(policy=self)
        start = f"{name}: "
        if len(start) + len(value) <= _LONGEST:
            return f"{start}{value}{self.linesep}"
        lines = wrap(
            value,
            _LONGEST,
            initial_indent=start,
            subsequent_indent=" ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        return self.linesep.join(lines or [start]) + self.linesep

    def fold_binary(self, name: str, value: Any) -> bytes:
        return self.fold(name, value).encode("utf-8" if self.utf8 else "ascii")


# Bodies are encoded to seven bits, so that no server on the way has to offer 8BITMIME or rewrites a signed part.
SEVEN_BIT = _ReadyHeaders(linesep="\r\n", cte_type="7bit")


def text_header(text: str) -> str:
    """Text as it is, or as encoded words (RFC 2047) where a reader would not see the same."""
    if text.isascii() and "=?" not in text:
        return text
    return " ".join(Header(text, "utf-8", maxlinelen=60).encode().split())


def address_header(addresses: Iterable[Address]) -> str:
    """Addresses with their names."""
    return ", ".join(
        f"{_name_in_header(address.display_name)} <{address.addr_spec}>" if address.display_name else address.addr_spec
        for address in addresses
    )


def _name_in_header(name: str) -> str:
    text = text_header(name)
    return text if text != name or _ATOMS.fullmatch(name) else f'"{quote(name)}"'
