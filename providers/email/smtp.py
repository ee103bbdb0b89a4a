"""Sends e-mail to an SMTP server (RFC 5321), over TLS unless told otherwise.

The steps of the dialogue are driven one by one, because what a lost connection means depends on the step: before the
message is on its way nobody can have got it; after its final dot the server may have kept it.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)
from aiosmtplib.protocol import SMTPProtocol
from pydantic import SecretStr

from errors import Ambiguous, ChannelClosed, ChannelRefused, NotSent, Rejected
from providers.email.gate import AGAIN, Gate
from providers.email.message import Message
from providers.email.receipt import Receipt, Reply, refusal
from providers.http import Progress

START_INPUT = 354
CLOSING = 421
_LOGIN = frozenset({530, 534, 535, 538})  # what is said to MAIL by a server that wants a login, or another (RFC 4954)
QUIT_TIMEOUT = 1.0  # seconds for a goodbye
MOST_MAILS = 100  # over one connection; servers do not like to be held for ever
IDLE = 10.0  # seconds a connection is kept for the next mail


@dataclass(frozen=True)
class SmtpProvider:
    """A limited number of connections, each used for one mail after the other; a worker's many jobs take turns. For
    one event loop.

    `timeout` is what each step may take, in seconds. `final_timeout` is what the reply to the whole message may take:
    servers scan and store before they give it, and a client that hangs up early gets its mail doubled (RFC 5321,
    section 4.5.3.2.6, asks for ten minutes).
    """

    host: str
    port: int
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password: SecretStr | None = None
    timeout: float = 60
    final_timeout: float = 600
    connections: int = 20
    again: float = AGAIN  # seconds until a login that was refused is tried again
    tls: ssl.SSLContext | None = None  # the system's authorities if None
    name: str = "smtp"

    async def send(self, message: Message, recipients: Sequence[str], progress: Progress | None = None) -> Receipt:
        async with self._gate:
            return await self._send(message, recipients, progress or Progress())

    @cached_property
    def _gate(self) -> Gate:
        return Gate(self.connections, self.again)

    async def _send(self, message: Message, recipients: Sequence[str], progress: Progress) -> Receipt:
        content = message.as_bytes()
        with self._nobody_got_it():
            line = await self._begin(message, len(content))
        try:
            with self._nobody_got_it():
                refused = await _name_recipients(line.client, message, recipients)
                self._require_one(recipients, refused)
                protocol = await _send_content(line.client, content, progress)
            reply = await self._final_reply(protocol)
        except BaseException:
            line.client.close()  # in the middle of something: good for nothing more
            raise
        self._keep(line)
        accepted = tuple(address for address in recipients if address not in refused)
        return Receipt(self.name, message.message_id, accepted, refused, reply.text)

    async def close(self) -> None:
        """Take leave of the connections that wait for a mail."""
        while self._idle:
            await self._idle.pop().leave()

    @cached_property
    def _idle(self) -> "list[_Line]":
        return []

    async def _begin(self, message: Message, size: int) -> "_Line":
        """A connection whose server knows who sends: one that was used before, or, since that may have been closed by
        the server meanwhile, a new one."""
        while self._idle:
            line = self._idle.pop()
            try:
                await line.begin(message, size)
            except (SMTPServerDisconnected, OSError):
                continue
            except SMTPResponseException as error:
                if error.code == CLOSING:
                    continue
                raise
            else:
                return line
        line = _Line(self._client())
        try:
            with self._they_mean_us():
                await line.client.connect()
                if line.client.is_ehlo_or_helo_needed:
                    await line.client.ehlo()
            await line.begin(message, size)
        except BaseException:
            line.client.close()
            raise
        return line

    def _keep(self, line: "_Line") -> None:
        """For the next mail, for a while."""
        self._idle.append(line)
        line.mails += 1
        wait = IDLE if line.mails < MOST_MAILS else 0.0
        line.timer = asyncio.get_running_loop().call_later(wait, self._drop, line)

    def _drop(self, line: "_Line") -> None:
        if line in self._idle:
            self._idle.remove(line)
            self._leaving.add(task := asyncio.get_running_loop().create_task(line.leave()))
            task.add_done_callback(self._leaving.discard)

    @cached_property
    def _leaving(self) -> set[asyncio.Task[None]]:
        return set()

    def __str__(self) -> str:
        return f"The SMTP server {self.host}:{self.port}"

    def _client(self) -> SMTP:
        return SMTP(
            hostname=self.host,
            port=self.port,
            use_tls=self.security == "tls",
            start_tls=self.security == "starttls",  # True, never None: a server that stops offering it gets nothing
            tls_context=self.tls or _system_authorities(),
            username=self.username,
            password=self.password.get_secret_value() if self.password else None,
            local_hostname=_own_name(),
            timeout=self.timeout,
        )

    @contextmanager
    def _they_mean_us(self) -> Iterator[None]:
        """Greeting, EHLO, STARTTLS and login: the server has not heard of the mail yet, so what it refuses is us."""
        try:
            yield
        except SMTPAuthenticationError as error:
            raise self._not_let_in(Reply.of(error.code, error.message)) from None
        except SMTPResponseException as error:
            reply = Reply.of(error.code, error.message)
            if reply.is_final:
                raise ChannelRefused(
                    f"{self} wants nothing of us: {reply}. Ask its operator, and check SMTP_HOST and SMTP_PORT."
                ) from None
            raise self._refused(reply) from None

    @contextmanager
    def _nobody_got_it(self) -> Iterator[None]:
        """Before the message is on its way, whatever goes wrong has one meaning."""
        try:
            yield
        except SMTPSenderRefused as error:
            reply = Reply.of(error.code, error.message)
            raise (self._not_let_in(reply) if reply.code in _LOGIN else self._refused(reply)) from None
        except SMTPResponseException as error:
            raise self._refused(Reply.of(error.code, error.message)) from None
        except (SMTPException, OSError) as error:
            raise NotSent(
                f"{self} could not be used with SMTP_SECURITY={self.security}: {error or type(error).__name__}. Check "
                "that it runs, SMTP_HOST, SMTP_PORT and SMTP_SECURITY; its private authority belongs in SSL_CERT_FILE."
            ) from error

    async def _final_reply(self, protocol: SMTPProtocol) -> Reply:
        """The server's word on the message that was just written."""
        try:
            response = await protocol.read_response(self.final_timeout)
        except (SMTPException, OSError) as error:
            raise self._unknown(error) from error
        reply = Reply.of(response.code, response.message)
        if reply.is_accepted:
            return reply
        if reply.is_refusal:
            raise self._refused(reply)
        raise self._unknown(reply)

    def _unknown(self, said: object) -> Ambiguous:
        return Ambiguous(
            f"{self} gave no clear answer to the whole message: {said or type(said).__name__}. It may have been "
            "delivered; before sending it again by hand, look for its Message-ID in the server's log."
        )

    def _require_one(self, recipients: Sequence[str], refused: Mapping[str, Reply]) -> None:
        if len(refused) == len(recipients):
            raise refusal(f"{self} refused all recipients", refused)

    def _not_let_in(self, reply: Reply) -> NotSent | ChannelClosed:
        advice = "Check SMTP_USERNAME and SMTP_PASSWORD."
        if reply.is_final:
            return ChannelClosed(f"{self} refused the login: {reply}. {advice}", code="account")
        return NotSent(f"{self} refused the login for now: {reply}. {advice}", reply.retry_after)

    def _refused(self, reply: Reply, advice: str = "") -> NotSent | Rejected:
        return refusal(f"{self} refused the e-mail", {"": reply}, advice)


@dataclass
class _Line:
    """A connection, and what it was used for."""

    client: SMTP
    mails: int = 0
    timer: asyncio.TimerHandle | None = None

    async def begin(self, message: Message, size: int) -> None:
        """Name the sender. Whatever is raised, the connection is closed."""
        if self.timer is not None:
            self.timer.cancel()
        try:
            await _name_sender(self.client, message, size)
        except BaseException:
            self.client.close()
            raise

    async def leave(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        with suppress(SMTPException, OSError):
            await self.client.quit(timeout=QUIT_TIMEOUT)
        self.client.close()


async def _name_sender(client: SMTP, message: Message, size: int) -> None:
    options = [f"SIZE={size}"] if client.supports_extension("size") else []
    if message.needs_smtputf8:
        if not client.supports_extension("smtputf8"):
            raise Rejected(
                "An address has letters outside ASCII before its @, and the SMTP server does not take them (it offers "
                "no SMTPUTF8). Use an ASCII address, or a server that offers it."
            )
        options.append("SMTPUTF8")
    await client.mail(message.sender.addr_spec, options=options, encoding=_encoding(message))


def _encoding(message: Message) -> str:
    return "utf-8" if message.needs_smtputf8 else "ascii"


async def _name_recipients(client: SMTP, message: Message, recipients: Sequence[str]) -> Mapping[str, Reply]:
    """Returns those that are refused."""
    refused: dict[str, Reply] = {}
    for address in recipients:
        try:
            await client.rcpt(address, encoding=_encoding(message))
        except SMTPRecipientRefused as error:
            reply = Reply.of(error.code, error.message)
            if reply.code == CLOSING:
                raise  # the server hangs up: there is no message to be had out of this
            if not reply.is_accepted:  # 252 is: "cannot verify, but will try"
                refused[address] = reply
    return refused


async def _send_content(client: SMTP, content: bytes, progress: Progress) -> SMTPProtocol:
    """Write the message, its final dot included, and return whom to ask for the reply.

    Not `client.data()`: its errors do not tell whether the message had been written.
    """
    response = await client.execute_command(b"DATA")
    if response.code != START_INPUT:
        raise SMTPDataError(response.code, response.message)
    if client.protocol is None:
        raise SMTPServerDisconnected("Connection lost")
    progress.has_left = True
    client.protocol.write(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
    return client.protocol


@cache
def _system_authorities() -> ssl.SSLContext:
    """Certificates and names are checked; reading the authorities takes a while, so it is done once."""
    return ssl.create_default_context()


@cache
def _own_name() -> str:
    """What we say in EHLO. Asking DNS for it, as the library would, has no time-out."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"
