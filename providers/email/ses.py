"""Sends e-mail through Amazon SES (API v2, SendEmail): one signed request through the guarded client.

botocore finds the keys, the way every AWS program does, and signs; sending is ours, for the deadline, the checked
address and what it says of a request that failed.
"""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import botocore.session
import orjson
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError

from errors import Ambiguous, BadArguments, ChannelClosed, ChannelRefused, ConfigurationError, NotSent, Rejected
from providers import http
from providers.email.gate import Gate
from providers.email.message import Message
from providers.email.receipt import Receipt, Reply
from settings import Settings

PATH = "/v2/email/outbound-emails"
ID = "email_id"  # our own id of a mail, in what its events bring back
DEADLINE = 30.0  # seconds for a request
CONNECTIONS = 20  # requests at once per worker process
MOST_REPLY = 16 * 1024  # bytes

_LATER = frozenset({"TooManyRequestsException", "LimitExceededException", "Throttling", "ThrottlingException",
                    "ServiceUnavailable", "InternalFailure", "InternalServiceErrorException"})  # fmt: skip
_MESSAGE = frozenset({"MessageRejected", "BadRequestException", "InvalidParameterValue", "ValidationException"})
_ACCOUNT = frozenset({"AccountSuspendedException", "SendingPausedException"})
_NOT_US = frozenset({401, 403})
_GATEWAY = frozenset({502, 504})


@dataclass(frozen=True)
class SesProvider:
    """For one event loop."""

    client: http.GuardedClient
    region: str
    url: str
    configuration_set: str | None = None
    name: str = "ses"

    @classmethod
    def of(cls, settings: Settings) -> "SesProvider":
        if settings.ses_region is None:
            raise ConfigurationError("SES_REGION is not set. Set it to the region of your SES account: eu-central-1.")
        url = settings.ses_url or f"https://email.{settings.ses_region}.amazonaws.com"
        return cls(http.client(settings), settings.ses_region, url.rstrip("/"), settings.ses_configuration_set)

    @cached_property
    def _gate(self) -> Gate:
        return Gate(CONNECTIONS)

    @cached_property
    def _session(self) -> botocore.session.Session:
        return botocore.session.Session()

    async def send(self, message: Message, recipients: Sequence[str], progress: http.Progress | None = None) -> Receipt:
        async with self._gate:
            body = orjson.dumps(self._request(message, recipients))
            # In a thread: keys may have to be fetched from the machine's own service, and once in a while anew.
            headers = await asyncio.to_thread(self._signed, body)
            response = await self._post(headers, body, progress)
            answer = _read(response)
            if not response.is_success:
                raise _refused(response, answer)
        own_id = str(answer.get("MessageId", ""))
        return Receipt(self.name, message.message_id, tuple(recipients), {}, own_id, own_id or None)

    async def _post(self, headers: Mapping[str, str], body: bytes, progress: http.Progress | None) -> http.Response:
        try:
            return await self.client.request(
                "POST",
                self.url + PATH,
                headers=headers,
                body=body,
                deadline=DEADLINE,
                most=MOST_REPLY,
                progress=progress,
            )
        except (BadArguments, Rejected) as error:
            raise ChannelRefused(f"SES_URL cannot be used: {error}", code="settings") from error

    def _request(self, message: Message, recipients: Sequence[str]) -> dict[str, Any]:
        """SES writes a Message-ID of its own; ours goes in a header and in the tags, which events bring back."""
        content = message.with_headers({"X-Callboard-Email": str(message.id)}).as_bytes()
        request: dict[str, Any] = {
            "FromEmailAddress": message.sender.addr_spec,
            "Destination": {"ToAddresses": list(recipients)},  # the envelope; the headers name everybody
            "Content": {"Raw": {"Data": base64.b64encode(content).decode()}},
            "EmailTags": [{"Name": ID, "Value": str(message.id)}],
        }
        if self.configuration_set is not None:
            request["ConfigurationSetName"] = self.configuration_set
        return request

    def _signed(self, body: bytes) -> dict[str, str]:
        """The request's headers, signature and all (AWS Signature Version 4)."""
        try:
            credentials = self._session.get_credentials()
            if credentials is None:
                raise ChannelClosed(
                    "SES cannot be used: there are no AWS keys. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                    "give the machine a role.",
                    code="account",
                )
            request = AWSRequest("POST", self.url + PATH, {"Content-Type": "application/json"}, body)
            SigV4Auth(credentials.get_frozen_credentials(), "ses", self.region).add_auth(request)
        except BotoCoreError as error:
            raise ChannelClosed(f"SES cannot be used: {error}.", code="account") from error
        return dict(request.headers.items())


def _read(response: http.Response) -> dict[str, Any]:
    try:
        answer = orjson.loads(response.body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _refused(response: http.Response, answer: Mapping[str, Any]) -> NotSent | Ambiguous | Rejected:
    status = response.status
    code = (response.header("x-amzn-ErrorType") or str(answer.get("__type", ""))).split(":")[0].rpartition("#")[2]
    reply = Reply.of(status, f"{code}: {answer.get('message') or answer.get('Message') or response.text}")
    if status in _GATEWAY:
        return Ambiguous(f"SES said: {reply}. The e-mail may have been taken.", code=f"http_{status}")
    asked = http.retry_after(response.header("Retry-After"), datetime.now(UTC))
    if code in _LATER or status == 429 or status >= 500:
        return NotSent(f"SES did not take the e-mail for now: {reply}.", asked, code=code)
    if code in _MESSAGE:
        return Rejected(f"SES refused the e-mail: {reply}.", code=code)
    if status in _NOT_US or code in _ACCOUNT:
        return ChannelClosed(f"SES refused our keys or our account: {reply}.", code="account")
    return ChannelRefused(f"SES refused the request, whatever the e-mail: {reply}.", code=code)
