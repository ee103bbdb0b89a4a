"""Two receivers in a process of their own, one that answers at once and one that never does. It prints their ports."""

import asyncio
from typing import cast

import uvloop

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Answering(asyncio.Protocol):
    """Reads requests of a known length, which is all that the client sends."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._received = cast("asyncio.Transport", transport), b""  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end].lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
            if len(self._received) < end + 4 + length:
                return
            self._received = self._received[end + 4 + length :]
            self._transport.write(_OK)


class Hanging(asyncio.Protocol):
    """Takes what it gets and says nothing."""


async def main() -> None:
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(kind, "127.0.0.1", 0) for kind in (Answering, Hanging)]
    ports = " ".join(str(server.sockets[0].getsockname()[1]) for server in servers)
    print(f"listening on {ports} ", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
