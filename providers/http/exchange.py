"""HTTP/1.1 over a wire (h11): one request and its answer, then perhaps the next."""

import h11

from providers.http.wire import Wire

MOST_HEAD = 100 * 1024  # bytes of an answer's status and headers

Headers = list[tuple[bytes, bytes]]


class Exchange:
    """A wire, and how far its dialogue is. Raises h11.RemoteProtocolError for what is no HTTP, and OSError."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_HEAD)

    async def send(self, method: bytes, target: bytes, headers: Headers, body: bytes) -> None:
        """Raises h11.LocalProtocolError, before anything has left, for what HTTP does not allow."""
        request = h11.Request(method=method, target=target, headers=headers)
        parts = [self._http.send(request), self._http.send(h11.Data(body)) if body else b""]
        parts.append(self._http.send(h11.EndOfMessage()))
        await self.wire.write(b"".join(part for part in parts if part))

    async def answer(self) -> h11.Response:
        """The head of the answer; what only announces it is passed over."""
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                return event

    async def piece(self) -> bytes | None:
        """Of the body, as it comes; None at its end."""
        event = await self._next()
        return bytes(event.data) if isinstance(event, h11.Data) else None

    async def _next(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            data = await self.wire.read()
            if not data and self._http.their_state is h11.SEND_RESPONSE:
                raise ConnectionResetError("the server disconnected without an answer")
            self._http.receive_data(data)
        return event

    def start_next(self) -> bool:
        """Make ready for another request. False: this connection is good for no more."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return not self._http.trailing_data[0] and self.wire.is_quiet
