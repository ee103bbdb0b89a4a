"""Reads the addresses and one-line texts of an e-mail, refusing what could not stand in a header."""

import re
import unicodedata
from email.headerregistry import Address

from email_validator import EmailNotValidError, validate_email

from errors import BadArguments

MOST_NAME = 200  # characters of a display name
MOST_LINE = 900  # bytes of a header's text; with its name it stays under the 998 of RFC 5322, section 2.1.1

# email-validator refuses these as nothing the Internet knows; a mail server inside a company may well be called so.
_INNER_DOMAINS = ("local", "localhost", "test")
_NAMED = re.compile(r'(?P<name>"(?:[^"\\]|\\.)*"|[^<>]*?)\s*<(?P<address>[^<>]*)>')
# Control characters end a header; so do the line separators, for readers that go by Unicode. Surrogates are no text.
_UNFIT = frozenset({"Cc", "Cs", "Zl", "Zp"})


def read_line(value: object, path: str) -> str:
    """Text that fits into one header. Raises BadArguments."""
    if not isinstance(value, str):
        raise BadArguments(f"{path} is of type {type(value).__name__}. Pass text.", path)
    for character in value:
        if unicodedata.category(character) in _UNFIT:
            raise BadArguments(
                f"{path} contains the character U+{ord(character):04X}, which cannot stand in a header. "
                "Leave out line breaks and control characters.",
                path,
            )
    if len(value.encode()) > MOST_LINE:
        raise BadArguments(f"{path} is longer than {MOST_LINE} bytes. Shorten it.", path)
    return value


def read_address(value: object, path: str) -> Address:
    """`ada@example.com` or `Ada Lovelace <ada@example.com>`; the domain comes back as ASCII. Raises BadArguments."""
    text = read_line(value, path).strip()
    named = _NAMED.fullmatch(text)
    name, address = _unquote(named["name"]) if named else "", named["address"] if named else text
    if len(name) > MOST_NAME:
        raise BadArguments(f"The name in {path} is longer than {MOST_NAME} characters. Shorten it.", path)
    suffix = ".example.com" if address.rpartition("@")[2].lower().split(".")[-1] in _INNER_DOMAINS else ""
    try:
        valid = validate_email(address + suffix, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise BadArguments(
            f"{path} is not an e-mail address: {text[:100]!r}. {error} "
            "Pass `ada@example.com` or `Ada Lovelace <ada@example.com>`, several as a list.",
            path,
        ) from None
    return Address(name, username=valid.local_part, domain=valid.ascii_domain.removesuffix(suffix))


def read_addresses(value: object, path: str) -> tuple[Address, ...]:
    """None, one address or a list of them. Raises BadArguments."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (read_address(value, path),)
    if isinstance(value, list | tuple):
        return tuple(read_address(item, f"{path}[{index}]") for index, item in enumerate(value))
    raise BadArguments(f"{path} is of type {type(value).__name__}. Pass an address or a list of addresses.", path)


def _unquote(name: str) -> str:
    if name.startswith('"'):
        return re.sub(r"\\(.)", r"\1", name[1:-1])
    return name.strip()
