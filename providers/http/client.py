"""One request, and what became of it: a Response, or one of NotSent, Ambiguous, Rejected."""

import asyncio
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpcore
import httpx

from errors import Ambiguous, BadArguments, ConfigurationError, NotSent, Rejected
from providers.http.backend import GuardedBackend
from providers.http.resolver import Resolver, SystemResolver
from providers.http.response import Response, Timings
from providers.http.url import Destinations, check_headers

_IDLE = 5.0  # seconds a connection is kept for the next request; servers close theirs after about that time
_KEPT = 100  # idle connections


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
        self._has_proxy = proxy is not None
        context = _tls(ca_file)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            proxy=_proxy(proxy),
            max_connections=None,  # how much is sent at once is the callers' to bound: here nobody waits for a place
            max_keepalive_connections=_KEPT,
            keepalive_expiry=_IDLE,
            network_backend=None if proxy else GuardedBackend(destinations, resolver or SystemResolver()),
        )

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        deadline: float,
        most: int = 64 * 1024,
    ) -> Response:
        """Send one request, once. `deadline` is in seconds, for all of it; of the body `most` bytes are read.

        Raises BadArguments for a URL or headers that may not be, and otherwise, each with a `code`:
            NotSent     dns, connect, tls, timeout_connect, proxy     nothing of it has left
            Ambiguous   timeout_total, reset, protocol                it has left, at least in part
            Rejected    blocked_address                               it leads to where it must not
        """
        target = self.destinations.check(url)
        check_headers(headers or {})
        attempt = _Attempt(_request(method, target, headers or {}, body), self._has_proxy)
        try:
            async with asyncio.timeout(deadline):
                return await attempt.run(self._pool, most)
        except TimeoutError as error:
            if attempt.response is not None:  # the answer was there; the rest of its body was not
                return attempt.finish(truncated=True)
            raise attempt.failed(error, f"no answer within {deadline:g} s") from error

    async def close(self) -> None:
        """Let go of the connections."""
        await self._pool.aclose()


def _request(method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes) -> httpcore.Request:
    """The request with the headers that are the client's own."""
    own = {
        "Host": url.netloc.decode("ascii"),
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "User-Agent": "Callboard",
    }
    if body or method not in ("GET", "HEAD"):
        own["Content-Length"] = str(len(body))
    given = {name.lower() for name in headers}
    every = [(name, value) for name, value in own.items() if name.lower() not in given] + list(headers.items())
    return httpcore.Request(
        method.encode("ascii"),
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=[(name.encode("ascii"), value.encode("ascii")) for name, value in every],
        content=body,
    )


class _Attempt:
    """One request under way: how far it has come decides what a failure means."""

    def __init__(self, request: httpcore.Request, through_proxy: bool) -> None:
        self._request, self._through_proxy = request, through_proxy
        self._request.extensions["trace"] = self._trace
        self._start = time.perf_counter()
        self._has_left = False
        self._securing = False
        self._timings = Timings()
        self._body = bytearray()
        self._address: str | None = None
        self.response: httpcore.Response | None = None

    async def run(self, pool: httpcore.AsyncConnectionPool, most: int) -> Response:
        try:
            self.response = await pool.handle_async_request(self._request)
            self._timings.first_byte = self._elapsed()
            self._address = None if self._through_proxy else _peer(self.response)
            try:
                truncated = await self._read(self.response, most)
            finally:
                await self.response.aclose()
        except (httpcore.LocalProtocolError, httpcore.UnsupportedProtocol) as error:
            raise BadArguments(f"The request cannot be sent: {error}.") from error
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, httpcore.ProxyError,
                OSError) as error:  # fmt: skip
            if self.response is not None:
                return self.finish(truncated=True)
            raise self.failed(error, str(error) or type(error).__name__) from error
        return self.finish(truncated)

    async def _read(self, response: httpcore.Response, most: int) -> bool:
        """Read the body up to the limit; whether there was more. Each piece is looked at as it comes."""
        async for piece in response.aiter_stream():
            self._body += piece[: most - len(self._body) + 1]
            if len(self._body) > most:
                del self._body[most:]
                return True
        return False

    def finish(self, truncated: bool) -> Response:
        response = self.response
        assert response is not None
        self._timings.total = self._elapsed()
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers]
        return Response(response.status, headers, bytes(self._body), truncated, self._address, self._timings)

    def failed(self, error: BaseException, why: str) -> NotSent | Ambiguous | Rejected:
        """What it means that no answer came."""
        host = self._request.url.host.decode("ascii", "replace")
        late = isinstance(error, TimeoutError | httpcore.TimeoutException)
        if self._has_left:
            late_or_cut = (
                "timeout_total" if late else "protocol" if isinstance(error, httpcore.ProtocolError) else "reset"
            )
            code = "reset" if "disconnected" in why else late_or_cut
            return Ambiguous(f"The answer of {host} was lost: {why}.", code=code)
        if isinstance(error, httpcore.ProxyError):
            return NotSent(f"The outgoing proxy did not let the request to {host} pass: {why}.", code="proxy")
        if late:
            return NotSent(f"No connection to {host}: {why}.", code="timeout_connect")
        return NotSent(f"No connection to {host}: {why}.", code="tls" if self._securing else "connect")

    def _elapsed(self) -> float:
        return time.perf_counter() - self._start

    async def _trace(self, event: str, info: dict[str, Any]) -> None:
        """httpcore says how far it is. Its request to a proxy (CONNECT) is none of ours."""
        if event == "connection.start_tls.started":
            self._securing = True
        elif event == "connection.start_tls.complete":
            self._securing = False
            self._timings.secured = self._elapsed()
        elif event == "connection.connect_tcp.complete":
            self._timings.connected = self._elapsed()
        elif event.endswith("send_request_headers.started"):
            self._has_left = info["request"].method != b"CONNECT"
        elif event.endswith("send_request_body.complete"):
            self._timings.sent = self._elapsed()


def _peer(response: httpcore.Response) -> str | None:
    stream: httpcore.AsyncNetworkStream = response.extensions["network_stream"]
    peer = stream.get_extra_info("server_addr")
    return str(peer[0]) if peer else None


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"OUTGOING_CA_FILE: {ca_file} cannot be read as certificates (PEM): {error}."
            ) from error
    return context


def _proxy(url: str | None) -> httpcore.Proxy | None:
    if url is None:
        return None
    parsed = httpx.Proxy(url)
    return httpcore.Proxy(
        httpcore.URL(
            scheme=parsed.url.raw_scheme,
            host=parsed.url.raw_host,
            port=parsed.url.port,
            target=parsed.url.raw_path,
        ),
        auth=parsed.raw_auth,
    )
