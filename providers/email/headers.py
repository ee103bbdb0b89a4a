"""Writes the headers of e-mails, names and subjects of any language included.

The standard library's own writing of them cannot be trusted with texts that others chose: folding a long quoted name it
loses the quotes, so that a name with a comma becomes addresses; a word that looks encoded it decodes, line breaks
included; a link of over 78 characters it encodes. Here what is written is what was meant: texts are encoded first, and
then only broken at their spaces.
"""

import re
from collections.abc import Iterable
from email.header import Header
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.policy import SMTP, Policy
from email.utils import quote
from textwrap import wrap
from typing import Any

_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")  # what needs no quotes (RFC 5322, section 3.2.3)


class _ReadyHeader(UnstructuredHeader, BaseHeader):
    """A header whose text is ready to be sent."""

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        kwds["decoded"], kwds["parse_tree"] = value, None

    def fold(self, *, policy: Policy) -> str:
        start = f"{self.name}: "
        lines = wrap(
            self, 78, initial_indent=start, subsequent_indent=" ", break_long_words=False, break_on_hyphens=False
        )
        return policy.linesep.join(lines or [start]) + policy.linesep


class _KeptRegistry(HeaderRegistry):
    """The standard library's makes a new class for each header of each mail, which takes longer than the header."""

    def __init__(self) -> None:
        super().__init__(default_class=_ReadyHeader)
        self._kept: dict[str, type[BaseHeader]] = {}

    def __getitem__(self, name: str) -> type[BaseHeader]:
        kept = self._kept.get(name)
        if kept is None:
            kept = super().__getitem__(name)
            if len(self._kept) < 100:  # names are others' to choose
                self._kept[name] = kept
        return kept


_registry = _KeptRegistry()
for _name in ("from", "to", "cc", "reply-to", "subject", "message-id"):
    _registry.map_to_type(_name, _ReadyHeader)

# Bodies are encoded to seven bits, so that no server on the way has to offer 8BITMIME or rewrites a signed part.
SEVEN_BIT = SMTP.clone(cte_type="7bit", header_factory=_registry)


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
