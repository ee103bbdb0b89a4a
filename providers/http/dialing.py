"""Makes the connections: to an address that was checked, and never to a name; or to the proxy, which has that to do."""

import asyncio
import base64
import ipaddress
import ssl
from dataclasses import dataclass
from typing import Protocol

import h11
import httpx

from errors import NotSent, Rejected
from providers.http.exchange import Exchange, Headers
from providers.http.progress import Progress
from providers.http.resolver import Resolver
from providers.http.url import DEFAULT_PORTS, Destinations, literal_address
from providers.http.wire import Wire

_CONNECT = 10.0  # seconds for one of a name's addresses, so that the next one has a chance before the deadline

_NOBODY_THERE = frozenset({502, 503, 504})  # a proxy's word for whom it could not connect to


@dataclass(frozen=True)
class Origin:
    """Whom a connection is for."""

    scheme: str
    host: str  # in ASCII
    port: int

    @classmethod
    def of(cls, url: httpx.URL) -> "Origin":
        return cls(url.scheme, url.raw_host.decode("ascii"), url.port or DEFAULT_PORTS[url.scheme])


class Dialer(Protocol):
    """Connects, directly or through a proxy."""

    async def connect(self, origin: Origin, progress: Progress) -> Wire:
        """A connection on which requests to `origin` may be sent. Raises NotSent, Rejected and OSError."""

    def peer(self, wire: Wire) -> str | None:
        """The address that the receiver has; None where that is not ours to know."""

    def target(self, url: httpx.URL) -> bytes:
        """What the request's first line names."""

    def headers(self, url: httpx.URL) -> Headers:
        """What the request has besides its own headers."""


class DirectDialer(Dialer):
    """Resolves, checks every address, connects to the first that answers.

    One address that may not be reached refuses the whole name: a mixed answer is not an accident. TLS checks the
    certificate against the name.
    """

    def __init__(self, destinations: Destinations, resolver: Resolver, tls: ssl.SSLContext) -> None:
        self._destinations, self._resolver, self._tls = destinations, resolver, tls

    async def connect(self, origin: Origin, progress: Progress) -> Wire:
        addresses = await self._addresses(origin.host)
        progress.timings.resolved = progress.elapsed()
        wire = await self._connect_to_one(addresses, origin.port, progress)
        progress.timings.connected = progress.elapsed()
        return await _secured(wire, self._tls, origin, progress) if origin.scheme == "https" else wire

    def peer(self, wire: Wire) -> str | None:
        return wire.peer

    def target(self, url: httpx.URL) -> bytes:
        return url.raw_path

    def headers(self, url: httpx.URL) -> Headers:
        return []

    async def _connect_to_one(self, addresses: list[str], port: int, progress: Progress) -> Wire:
        refused: OSError | None = None
        for address in addresses:
            progress.address = address
            try:
                async with asyncio.timeout(_CONNECT):
                    return await _connect(address, port)
            except TimeoutError:
                refused = TimeoutError(f"{address} did not answer within {_CONNECT:g} s")
            except OSError as error:
                refused = error
        assert refused is not None
        raise refused

    async def _addresses(self, host: str) -> list[str]:
        literal = literal_address(host)
        found = [str(literal)] if literal is not None else await self._resolver.resolve(host)
        addresses = [ipaddress.ip_address(address.partition("%")[0]) for address in found]
        if not addresses:
            raise NotSent(f"The name {host} has no address.", code="dns")
        for address in addresses:
            if not self._destinations.allows(address):
                raise Rejected(
                    f"{host} leads to {address}, which is not an address of the public Internet. "
                    "If it is meant, its network must be listed in OUTGOING_PRIVATE.",
                    code="blocked_address",
                )
        return [str(address) for address in addresses]


class ProxyDialer(Dialer):
    """Through an HTTP proxy (RFC 9110, section 3.7): it is asked for http, and for a tunnel (section 9.3.6) to https.

    Which addresses it lets pass is its own to decide.
    """

    def __init__(self, proxy: httpx.Proxy, tls: ssl.SSLContext) -> None:
        self._proxy, self._tls = Origin.of(proxy.url), tls
        self._login: Headers = []
        if proxy.raw_auth is not None:
            self._login = [(b"Proxy-Authorization", b"Basic " + base64.b64encode(b":".join(proxy.raw_auth)))]

    async def connect(self, origin: Origin, progress: Progress) -> Wire:
        progress.is_at_proxy = True
        wire = await _connect(self._proxy.host, self._proxy.port)
        try:
            if self._proxy.scheme == "https":
                await _secured(wire, self._tls, self._proxy, progress)
            progress.is_at_proxy = False
            if origin.scheme == "https":
                await self._open_tunnel(wire, origin)
        except BaseException:
            wire.close()
            raise
        progress.timings.connected = progress.elapsed()
        return await _secured(wire, self._tls, origin, progress) if origin.scheme == "https" else wire

    async def _open_tunnel(self, wire: Wire, origin: Origin) -> None:
        name = f"[{origin.host}]" if ":" in origin.host else origin.host
        target = f"{name}:{origin.port}".encode("ascii")
        exchange = Exchange(wire)
        try:
            await exchange.send(b"CONNECT", target, [(b"Host", target), *self._login], b"")
            answer = await exchange.answer()
        except (h11.RemoteProtocolError, OSError) as error:
            raise NotSent(f"The outgoing proxy did not answer as one: {error}.", code="proxy") from error
        if not 200 <= answer.status_code < 300:
            code = "connect" if answer.status_code in _NOBODY_THERE else "proxy"
            said = f"{answer.status_code} {answer.reason.decode('latin-1')}"
            raise NotSent(f"The outgoing proxy did not let the request to {origin.host} pass: {said}.", code=code)

    def peer(self, wire: Wire) -> str | None:
        return None

    def target(self, url: httpx.URL) -> bytes:
        if url.scheme == "https":
            return url.raw_path
        return b"http://" + url.netloc + url.raw_path

    def headers(self, url: httpx.URL) -> Headers:
        return [] if url.scheme == "https" else self._login


async def _connect(host: str, port: int) -> Wire:
    _, wire = await asyncio.get_running_loop().create_connection(Wire, host, port)
    return wire


async def _secured(wire: Wire, tls: ssl.SSLContext, origin: Origin, progress: Progress) -> Wire:
    progress.is_securing = True
    try:
        await wire.secure(tls, origin.host)
    except BaseException:
        wire.close()
        raise
    progress.is_securing = False
    progress.timings.secured = progress.elapsed()
    return wire
