"""A TCP proxy that misbehaves on demand, between our processes and a server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit, urlunsplit

_CHUNK = 65_536


def nothing(request: bytes) -> bool:
    """No reply is swallowed."""
    return False


class Proxy:
    """Passes everything on until told otherwise. What it is told holds for the connections that are open, too."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.delay = 0.0  # seconds that everything takes longer, each way
        self.swallows: Callable[[bytes], bool] = nothing  # requests whose reply is lost, and the connection with it
        self.swallowed = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, url: str) -> AsyncIterator["Proxy"]:
        proxy = cls(urlsplit(url).port or 0)
        await proxy.accept()
        try:
            yield proxy
        finally:
            proxy.refuse()

    def instead_of(self, url: str) -> str:
        """The URL that leads through the proxy."""
        parts = urlsplit(url)
        return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{self._port}"))

    async def accept(self) -> None:
        """Listen, at the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Cut every connection and take no more: the server is away."""
        if self._server:
            self._server.close()
            self._server = None
        self.cut()

    def cut(self) -> None:
        """Reset every connection; new ones may be made."""
        for writer in self._writers:
            writer.transport.abort()

    def stall(self) -> None:
        """Pass nothing on, and say nothing: a network that drops packets."""
        self._flowing.clear()

    def freeze(self) -> None:
        """The connections that are open say nothing any more, and do not end; new ones work: the server's machine has
        gone, and another answers at its address."""
        self._flowing.clear()
        self._flowing = asyncio.Event()
        self._flowing.set()

    def flow(self) -> None:
        self._flowing.set()

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection("127.0.0.1", self._target)
        writers = {to_client, to_server}
        self._writers |= writers
        losing = asyncio.Event()  # the reply under way is not to arrive
        flowing = self._flowing
        pipes = [
            asyncio.create_task(self._requests(client, to_server, flowing, losing)),
            asyncio.create_task(self._replies(server, to_client, flowing, losing)),
        ]
        with contextlib.suppress(OSError):
            await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        for pipe in pipes:
            pipe.cancel()
        await asyncio.gather(*pipes, return_exceptions=True)
        self._writers -= writers
        for writer in writers:
            writer.transport.abort()

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        flowing: asyncio.Event,
        losing: asyncio.Event,
    ) -> None:
        while data := await reader.read(_CHUNK):
            if self.swallows(data):
                losing.set()
            await self._pass(writer, flowing, data)

    async def _replies(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        flowing: asyncio.Event,
        losing: asyncio.Event,
    ) -> None:
        while data := await reader.read(_CHUNK):
            if losing.is_set():
                self.swallowed += 1
                return
            await self._pass(writer, flowing, data)

    async def _pass(self, writer: asyncio.StreamWriter, flowing: asyncio.Event, data: bytes) -> None:
        await flowing.wait()
        asyncio.get_running_loop().call_later(self.delay, writer.write, data)
