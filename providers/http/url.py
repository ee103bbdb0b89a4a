"""Where a request may go, as far as its URL alone tells, and with which headers."""

import ipaddress
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import httpx

from errors import BadArguments
from providers.http.address import Address, Networks, is_public

DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST = 2048  # characters of a URL
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]+(%[A-Za-z0-9]+)?")
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, section 5.6.2
_VALUE = re.compile(r"[\x20-\x7e\t]*")
# The client's own, and those by which a proxy or a server would read another request than the one that was sent.
_RESERVED = frozenset(
    ("accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization",
     "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
)  # fmt: skip


@dataclass(frozen=True)
class Destinations:
    """Which schemes, ports and special networks requests may go to. `ports=None` is any."""

    schemes: frozenset[str] = frozenset({"https"})
    ports: frozenset[int] | None = frozenset({80, 443, 8080, 8443})
    private: Networks = field(default_factory=Networks)

    def check(self, url: str, path: str = "url") -> httpx.URL:
        """The URL, parsed once. Raises BadArguments naming `path` and what to do.

        A name is not looked up here: where it leads to is checked for each connection.
        """
        return _checked(self, url, path)

    def parse(self, url: str, path: str) -> httpx.URL:
        """`check`, anew each time."""
        parsed = _parse(url, path)
        if parsed.scheme not in self.schemes:
            raise BadArguments(
                f"{path} has the scheme {parsed.scheme!r}; allowed: {', '.join(sorted(self.schemes))} "
                "(OUTGOING_SCHEMES).",
                path,
            )
        if parsed.userinfo:
            raise BadArguments(f"{path} contains a user name or password. Send them in a header instead.", path)
        self._check_port(parsed, path)
        literal = literal_address(parsed.host)
        if literal is not None and not self.allows(literal):
            raise BadArguments(
                f"{path} leads to {literal}, which is not an address of the public Internet. "
                "If it is meant, its network must be listed in OUTGOING_PRIVATE.",
                path,
            )
        return parsed

    def _check_port(self, url: httpx.URL, path: str) -> None:
        port = url.port or DEFAULT_PORTS[url.scheme]
        if not 0 < port < 65536:
            raise BadArguments(f"{path} has the port {port}, which no host has.", path)
        if self.ports is not None and port not in self.ports:
            allowed = ", ".join(map(str, sorted(self.ports)))
            raise BadArguments(f"{path} has the port {port}; allowed: {allowed} (OUTGOING_PORTS).", path)

    def allows(self, address: Address) -> bool:
        """Whether a connection to this address may be made."""
        return address in self.private or is_public(address)


@lru_cache(maxsize=1_000)
def _checked(destinations: Destinations, url: str, path: str) -> httpx.URL:
    """Most requests go to an address that one went to before."""
    return destinations.parse(url, path)


def _parse(url: str, path: str) -> httpx.URL:
    if len(url) > _LONGEST:
        raise BadArguments(f"{path} has {len(url):,} characters; the limit is {_LONGEST:,}.", path)
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise BadArguments(f"{path} is not a URL: {error}.", path) from None
    if parsed.host and not _HOST.fullmatch(parsed.raw_host.decode("ascii")):
        raise BadArguments(f"{path} is not a URL: {parsed.host!r} is no name of a host.", path)
    if not parsed.is_absolute_url:
        raise BadArguments(f"{path} is not a whole URL. It begins with https://.", path)
    return parsed


def literal_address(host: str) -> Address | None:
    """The address that a host already is, in any of the ways that a resolver takes: 127.0.0.1, 127.1, 0x7f000001."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def check_headers(headers: Mapping[str, str], path: str = "headers") -> None:
    """Raise BadArguments unless these can be sent as they are: no line breaks, nothing that is the client's own."""
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise BadArguments(f"{path} has the name {name!r}, which HTTP does not allow.", path)
        if name.lower() in _RESERVED:
            raise BadArguments(f"{path}.{name} is set by the client itself. Leave it out.", f"{path}.{name}")
        if not _VALUE.fullmatch(value):
            raise BadArguments(
                f"{path}.{name} has characters that a header cannot carry: only printable ASCII.", f"{path}.{name}"
            )
