"""Makes the connections: to an address that was checked, and never to a name."""

import ipaddress
from collections.abc import Iterable

import httpcore

from errors import NotSent, Rejected
from providers.http.resolver import Resolver
from providers.http.url import Destinations, literal_address

_CONNECT = 10.0  # seconds for one of a name's addresses, so that the next one has a chance before the deadline

_SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves, checks every address, connects to the first that answers.

    One address that may not be reached refuses the whole name: a mixed answer is not an accident. httpcore asks for TLS
    on the finished connection, by the name, so the certificate is checked against that.
    """

    def __init__(self, destinations: Destinations, resolver: Resolver) -> None:
        self._destinations, self._resolver = destinations, resolver
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore's signature)
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        refused: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in await self._addresses(host):
            try:
                return await self._backend.connect_tcp(address, port, _CONNECT, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
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
