"""A real SMTP server that keeps what it accepts, and refuses some recipients as it is told."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

from aiosmtpd.smtp import SMTP, Envelope, Session

ACCEPTED = "250 OK"


@dataclass(frozen=True)
class Caught:
    recipients: list[str]
    message: EmailMessage


class Catcher:
    """`replies` are the SMTP replies that a recipient gets one after the other; who has none left is accepted."""

    def __init__(self, replies: Mapping[str, Iterator[str]]) -> None:
        self.caught: list[Caught] = []
        self.port = 0
        self._replies = replies

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Catcher"]:
        """On a free port of this machine alone."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(self, hostname="localhost", loop=loop), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    def received(self, recipient: str) -> list[EmailMessage]:
        return [caught.message for caught in self.caught if recipient in caught.recipients]

    async def handle_RCPT(  # noqa: N802 (the name aiosmtpd looks for)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = next(self._replies.get(address, iter(())), ACCEPTED)
        if reply == ACCEPTED:
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 (as above)
        assert isinstance(envelope.content, bytes)  # as long as SMTP is not asked to decode
        message = BytesParser(policy=policy.default).parsebytes(envelope.content)
        self.caught.append(Caught(list(envelope.rcpt_tos), message))
        return ACCEPTED
