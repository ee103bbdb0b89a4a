"""A connection as bytes that are written and read, with or without TLS."""

import asyncio
import select
import ssl
from typing import cast

_MOST_UNREAD = 256 * 1024  # bytes; a server that sends more than is read waits


class Wire(asyncio.Protocol):
    """Belongs to one task at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._unread = bytearray()
        self._is_over = False  # nothing more will come
        self._lost: Exception | None = None
        self._is_reading = True
        self._is_full = False  # of what was written and has not left
        self._waiter: asyncio.Future[None] | None = None

    async def secure(self, context: ssl.SSLContext, name: str) -> None:
        """Go on over TLS, with a peer whose certificate is that of `name`. Raises OSError, of which ssl.SSLError is
        one."""
        if self._transport.is_closing():
            raise self._lost or ConnectionResetError("the connection was closed")
        secured = await self._loop.start_tls(self._transport, self, context, server_hostname=name)
        if secured is None:
            raise ConnectionResetError("the connection was closed")
        self._use(secured)

    async def write(self, data: bytes) -> None:
        """Returns once it has left, or never will: reading tells."""
        if not self._transport.is_closing():
            self._transport.write(data)
        while self._is_full and not self._is_over:
            await self._wait()

    async def read(self) -> bytes:
        """What has come, as soon as there is something; nothing at the end. Raises OSError."""
        while not self._unread and not self._is_over:
            await self._wait()
        if not self._unread and self._lost is not None:
            raise self._lost
        data = bytes(self._unread)
        self._unread.clear()
        if not self._is_reading and not self._transport.is_closing():
            self._is_reading = True
            self._transport.resume_reading()
        return data

    @property
    def is_quiet(self) -> bool:
        """Whether it is open and nothing has come that nobody asked for: then it may be used again. The end of a
        connection may have come without having been read yet."""
        if self._unread or self._is_over or self._transport.is_closing():
            return False
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    @property
    def peer(self) -> str | None:
        """The address at the other end."""
        address = self._transport.get_extra_info("peername")
        return str(address[0]) if address else None

    def close(self) -> None:
        self._transport.abort()

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _use(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        transport.set_write_buffer_limits(0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._use(cast("asyncio.Transport", transport))

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if len(self._unread) > _MOST_UNREAD and self._is_reading:
            self._is_reading = False
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._is_over = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_over, self._lost = True, exc
        self._wake()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._wake()
