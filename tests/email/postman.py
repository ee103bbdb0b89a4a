"""A real SMTP server that answers as it is told, on the test's own event loop."""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTPUTF8
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

OK = "250 OK"
DROP = "drop the connection"
SILENCE = "say nothing more"
PASSWORD = "a-good-password"


@dataclass(frozen=True)
class Received:
    """A message whose final dot the server has seen."""

    sender: str
    recipients: list[str]
    content: bytes
    secure: bool
    login: bytes | None

    @property
    def mail(self) -> EmailMessage:
        mail = message_from_bytes(self.content, policy=SMTPUTF8)
        assert isinstance(mail, EmailMessage)
        return mail


@dataclass
class Postman:
    """`answers["RCPT bob@example.com"]`, `answers["MAIL"]`, `answers["DATA"]`: what is said, one after the other; OK
    once they are used up. `received` has every message, also those that were refused or not answered."""

    port: int = 0
    answers: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    holds: dict[str, asyncio.Event] = field(
        default_factory=dict
    )  # by step, DATA also by recipient: not answered before
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    logins: int = 0
    password: str = PASSWORD  # that it lets in

    async def handle_EHLO(  # noqa: N802 (aiosmtpd's names)
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += not session.ssl
        session.host_name = hostname
        return responses

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return await self._answer(server, "MAIL")

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = await self._answer(server, f"RCPT {address}")
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert envelope.mail_from is not None
        assert isinstance(envelope.content, bytes)
        secure = _transport(server).get_extra_info("sslcontext") is not None
        login: Any = session.auth_data  # what `authenticate` made it
        self.received.append(
            Received(envelope.mail_from, envelope.rcpt_tos, envelope.content, secure, login and login.login)
        )
        for recipient in envelope.rcpt_tos:
            if f"DATA {recipient}" in self.holds:
                await self.holds[f"DATA {recipient}"].wait()
        return await self._answer(server, "DATA")

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: LoginPassword
    ) -> AuthResult:
        self.logins += 1
        right = login.password == self.password.encode()
        return AuthResult(success=right, handled=False, auth_data=login)

    async def _answer(self, server: SMTP, step: str) -> str:
        if step in self.holds:
            await self.holds[step].wait()
        answer = self.answers[step].pop(0) if self.answers[step] else OK
        if answer == DROP:
            _transport(server).abort()
        if answer in (DROP, SILENCE):
            await asyncio.Event().wait()  # ended by the end of the connection
        return answer


def _transport(server: SMTP) -> asyncio.Transport:
    assert isinstance(server.transport, asyncio.Transport)
    return server.transport


@asynccontextmanager
async def postman(*, tls: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[Postman]:
    """A server on a free port. `tls` is for TLS from the first byte; `tls_context` among the options for STARTTLS."""
    handler = Postman()
    loop = asyncio.get_running_loop()
    authenticator = handler.authenticate if "auth_required" in options else None
    server = await loop.create_server(
        lambda: SMTP(handler, loop=loop, hostname="test", authenticator=authenticator, **options),
        "127.0.0.1",
        0,
        ssl=tls,
    )
    handler.port = server.sockets[0].getsockname()[1]
    try:
        yield handler
    finally:
        server.close()
        await server.wait_closed()
