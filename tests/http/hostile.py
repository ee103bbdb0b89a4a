"""A receiver that behaves as badly as its path says, and counts what it was sent."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache

BOMB = 50_000_000  # bytes that a few thousand unpack to
SLOW = 0.2  # seconds between two drops

DROP = b""  # among the answers of "/scripted": the connection is reset instead

_OK = b"HTTP/1.1 200 OK\r\n"
_EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@cache
def bomb() -> bytes:
    return gzip.compress(bytes(BOMB))


@dataclass(frozen=True)
class Received:
    """One request as it came over the wire."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes


@dataclass
class Receiver:
    """`url("/drip-body")`; see the functions below for what there is. A path of digits answers with that status."""

    port: int
    scheme: str = "http"
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    answers: list[bytes] = field(default_factory=list)  # what "/scripted" and "/held" answer, one after the other
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)  # until then "/held" does not answer

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"


def answer(status: int, headers: str = "", body: bytes = b"") -> bytes:
    head = f"HTTP/1.1 {status} Whatever\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode("latin-1") + body


@asynccontextmanager
async def receiver(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver on a free port of 127.0.0.1, with TLS if given its context."""
    tasks: set[asyncio.Task[None]] = set()
    here = Receiver(0)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await _serve(here, reader, writer)
        tasks.discard(task)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls, limit=2**20)
    here.port = server.sockets[0].getsockname()[1]
    here.scheme = "https" if tls else "http"
    try:
        yield here
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def tunnel(refuses_with: int | None = None) -> AsyncIterator[Receiver]:
    """A proxy on a free port that knows CONNECT only, and takes every name for this machine."""
    here = Receiver(0)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here.connections += 1
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines if line}
        here.received.append(Received(method, target, headers, b""))
        if refuses_with is not None:
            writer.write(answer(refuses_with))
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", int(target.rpartition(":")[2]))
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    here.port = server.sockets[0].getsockname()[1]
    try:
        yield here
    finally:
        server.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
    writer.close()


async def _serve(here: Receiver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while head := await reader.readuntil(b"\r\n\r\n"):
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines if line}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        here.received.append(Received(method, path, headers, body))
        here.arrived.set()
        word = path.split("?")[0].strip("/").split("/")[0]
        if word.isdigit():
            writer.write(answer(int(word)))
        elif word == "scripted":
            said = here.answers.pop(0) if here.answers else _EMPTY
            if said == DROP:
                await _reset(writer)
                return
            writer.write(said)
        elif word == "held":
            await here.released.wait()
            writer.write(here.answers.pop(0) if here.answers else _EMPTY)
        elif word in BEHAVIOURS:
            await BEHAVIOURS[word](writer)
            return
        else:
            writer.write(_EMPTY)
        await writer.drain()


async def _drip_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(_OK)
    for number in range(10_000):
        writer.write(f"X-{number}: drop\r\n".encode())
        await writer.drain()
        await asyncio.sleep(SLOW)


async def _drip_body(writer: asyncio.StreamWriter) -> None:
    writer.write(_OK + b"Content-Length: 1000000\r\n\r\n")
    for _ in range(10_000):
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(SLOW)


async def _bomb(writer: asyncio.StreamWriter) -> None:
    body = bomb()
    writer.write(_OK + f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()


async def _endless(writer: asyncio.StreamWriter) -> None:
    writer.write(_OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        await writer.drain()


async def _huge_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(_OK)
    for number in range(2_000):
        writer.write(f"X-{number}: {'x' * 1000}\r\n".encode())
        await writer.drain()
    writer.write(b"\r\n")


async def _reset(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def _silence(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


async def _nonsense(writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\x01\x02 this is no HTTP\r\n\r\n")
    await writer.drain()


async def _nul(writer: asyncio.StreamWriter) -> None:
    writer.write(answer(200, body=b"a\0b"))
    await writer.drain()


async def _not_utf8(writer: asyncio.StreamWriter) -> None:
    writer.write(answer(200, "X-Reason: caf\xe9\r\n", b"\xff\xfeA"))
    await writer.drain()


async def _early_hints(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" + answer(200, body=b"done"))
    await writer.drain()


async def _redirect(writer: asyncio.StreamWriter) -> None:
    writer.write(answer(307, "Location: /elsewhere\r\n"))
    await writer.drain()


async def _more_than_asked(writer: asyncio.StreamWriter) -> None:
    writer.write(_EMPTY + answer(500))
    await writer.drain()
    await asyncio.sleep(3600)


async def _last_words(writer: asyncio.StreamWriter) -> None:
    writer.write(_EMPTY)
    await writer.drain()


async def _short(writer: asyncio.StreamWriter) -> None:
    writer.write(_OK + b"Content-Length: 100\r\n\r\nhalf")
    await writer.drain()


BEHAVIOURS: dict[str, Callable[[asyncio.StreamWriter], Awaitable[None]]] = {
    "drip-headers": _drip_headers,
    "drip-body": _drip_body,
    "bomb": _bomb,
    "endless": _endless,
    "huge-headers": _huge_headers,
    "reset": _reset,
    "silence": _silence,
    "nonsense": _nonsense,
    "nul": _nul,
    "not-utf8": _not_utf8,
    "early-hints": _early_hints,
    "redirect": _redirect,
    "short": _short,
    "more-than-asked": _more_than_asked,
    "last-words": _last_words,
}
