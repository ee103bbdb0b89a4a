"""One request, and what became of it: a Response, or one of NotSent, Ambiguous, Rejected."""

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path

import h11
import httpx

from errors import Ambiguous, BadArguments, ConfigurationError, NotSent
from providers.http.dialing import Dialer, DirectDialer, Origin, ProxyDialer
from providers.http.exchange import Exchange, Headers
from providers.http.idle import Idle
from providers.http.progress import Progress
from providers.http.resolver import Resolver, SystemResolver
from providers.http.response import Response
from providers.http.url import Destinations, check_headers


class GuardedClient:
    """Belongs to one event loop. See providers/http/__init__.py for what it guards against."""

    def __init__(
        self,
        destinations: Destinations,
        *,
        resolver: Resolver | None = None,
        proxy: str | None = None,
        ca_file: Path | None = None,
    ) -> None:
        """`proxy` (http://host:port) sees every request instead of the guard: which addresses it lets pass is then its
        own to decide. `ca_file` holds authorities (PEM) to trust besides the machine's. Raises ConfigurationError."""
        self.destinations = destinations
        tls = _tls(ca_file)
        self._dialer: Dialer = (
            DirectDialer(destinations, resolver or SystemResolver(), tls)
            if proxy is None
            else ProxyDialer(httpx.Proxy(proxy), tls)
        )
        self._idle = Idle()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        deadline: float,
        most: int = 64 * 1024,
        progress: Progress | None = None,
    ) -> Response:
        """Send one request, once. `deadline` is in seconds, for all of it; of the body `most` bytes are read. Who wants
        to know where it went and how far it got, though no answer comes or it is cancelled, gives a `progress`.

        Raises BadArguments for a URL or headers that may not be, and otherwise, each with a `code`:
            NotSent     dns, connect, tls, timeout_connect, proxy     nothing of it has left
            Ambiguous   timeout_total, reset, protocol                it has left, at least in part
            Rejected    blocked_address                               it leads to where it must not
        """
        target = self.destinations.check(url)
        check_headers(headers or {})
        attempt = _Attempt(method, target, headers or {}, body, progress or Progress())
        try:
            async with asyncio.timeout(deadline):
                await attempt.run(self._dialer, self._idle, most)
        except TimeoutError as error:
            if attempt.head is None:  # else the answer was there; the rest of its body was not
                raise attempt.failed(error, str(error) or f"no answer within {deadline:g} s") from error
        except h11.LocalProtocolError as error:
            raise BadArguments(f"The request cannot be sent: {error}.") from error
        except (h11.RemoteProtocolError, OSError) as error:
            if attempt.head is None:
                raise attempt.failed(error, str(error) or type(error).__name__) from error
        finally:
            attempt.ended()
        return attempt.response()

    async def close(self) -> None:
        """Let go of the connections."""
        self._idle.close()


class _Attempt:
    """One request under way."""

    def __init__(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes, progress: Progress
    ) -> None:
        self._method, self._url, self._body = method.encode("ascii"), url, body
        self._headers = _all_headers(method, url, headers, body)
        self._progress = progress
        self._received = bytearray()
        self._is_truncated = True  # until all is read
        self.head: h11.Response | None = None

    async def run(self, dialer: Dialer, idle: Idle, most: int) -> None:
        """Whatever goes wrong, what came until then is kept."""
        origin = Origin.of(self._url)
        exchange = idle.take(origin) or Exchange(await dialer.connect(origin, self._progress))
        try:
            self._progress.address = dialer.peer(exchange.wire)
            headers = [*self._headers, *dialer.headers(self._url)]
            self._progress.has_left = True
            await exchange.send(self._method, dialer.target(self._url), headers, self._body)
            self._progress.timings.sent = self._progress.elapsed()
            self.head = await exchange.answer()
            self._progress.timings.first_byte = self._progress.elapsed()
            await self._read(exchange, most)
        finally:
            if self._is_truncated or not exchange.start_next():
                exchange.wire.close()
            else:
                idle.keep(origin, exchange)

    async def _read(self, exchange: Exchange, most: int) -> None:
        """Read the body up to the limit. Each piece is looked at as it comes."""
        while (piece := await exchange.piece()) is not None:
            self._received += piece[: most - len(self._received) + 1]
            if len(self._received) > most:
                del self._received[most:]
                return
        self._is_truncated = False

    def ended(self) -> None:
        """With an answer or without."""
        self._progress.timings.total = self._progress.elapsed()

    def response(self) -> Response:
        """What came of the answer."""
        assert self.head is not None
        address, timings = self._progress.address, self._progress.timings
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.head.headers.raw_items()]
        return Response(self.head.status_code, headers, bytes(self._received), self._is_truncated, address, timings)

    def failed(self, error: BaseException, why: str) -> NotSent | Ambiguous:
        """What it means that no answer came."""
        host = self._url.raw_host.decode("ascii", "replace")
        is_late = isinstance(error, TimeoutError)
        if self._progress.has_left:
            code = "timeout_total" if is_late else "protocol" if isinstance(error, h11.RemoteProtocolError) else "reset"
            return Ambiguous(f"The answer of {host} was lost: {why}.", code=code)
        if self._progress.is_at_proxy:
            return NotSent(f"The outgoing proxy cannot be used: {why}.", code="proxy")
        code = "timeout_connect" if is_late else "tls" if self._progress.is_securing else "connect"
        return NotSent(f"No connection to {host}: {why}.", code=code)


def _all_headers(method: str, url: httpx.URL, given: Mapping[str, str], body: bytes) -> Headers:
    """The request's headers, with those that are the client's own."""
    own = {
        "Host": url.netloc.decode("ascii"),
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "User-Agent": "Callboard",
    }
    if body or method not in ("GET", "HEAD"):
        own["Content-Length"] = str(len(body))
    names = {name.lower() for name in given}
    every = [(name, value) for name, value in own.items() if name.lower() not in names] + list(given.items())
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in every]


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"OUTGOING_CA_FILE: {ca_file} cannot be read as certificates (PEM): {error}."
            ) from error
    return context
