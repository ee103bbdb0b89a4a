"""A line to a server that a test can cut: a proxy on a port of its own, in the test's own event loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit


class Line:
    """Use it as `async with Line.to(url) as line`; `line.url` goes through it."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self.refused = 0  # so many tried to connect while it was cut
        self._lost: bytes | None = None
        self._port = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, url: str) -> AsyncIterator["Line"]:
        line = cls(url)
        server = await asyncio.start_server(line._connect, "127.0.0.1", 0)
        line._port = server.sockets[0].getsockname()[1]
        try:
            yield line
        finally:
            server.close()
            line.cut()

    @property
    def url(self) -> str:
        login, at, _ = self._parts.netloc.rpartition("@")
        return urlunsplit(self._parts._replace(netloc=f"{login}{at}127.0.0.1:{self._port}"))

    def cut(self) -> None:
        """End every connection, and accept none, until `mend`. What was on its way may have arrived."""
        self._is_cut, self.refused = True, 0
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        self._is_cut = False

    def lose_the_reply_to(self, request: bytes) -> None:
        """Let the next request that contains this through, and end its connection instead of answering."""
        self._lost = request

    @property
    def has_lost_it(self) -> bool:
        return self._lost is None

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            self.refused += 1
            writer.transport.abort()
            return
        assert self._parts.hostname is not None
        try:
            there_reader, there_writer = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, there_writer}
        muted = asyncio.Event()
        await asyncio.gather(
            self._pass_on(reader, there_writer, muted, requests=True),
            self._pass_on(there_reader, writer, muted, requests=False),
        )
        self._writers -= {writer, there_writer}

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, muted: asyncio.Event, *, requests: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if requests and self._lost is not None and self._lost in data:
                    self._lost = None
                    muted.set()
                if muted.is_set() and not requests:
                    break
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
