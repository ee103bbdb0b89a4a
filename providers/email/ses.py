"""Sends e-mail through Amazon SES (API v2), boto3 in a thread."""

import asyncio
import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, HTTPClientError, ReadTimeoutError
from botocore.exceptions import ConnectionError as NoConnection

from errors import Ambiguous, ChannelRefused, ConfigurationError, NotSent, Rejected
from providers.email.message import Message
from providers.email.receipt import Receipt, Reply
from settings import Settings

ID = "email_id"  # our own id of a mail, in what its events bring back
CONNECT, READ = 10.0, 30.0  # seconds
THREADS = 20  # requests at once per worker process

_LATER = frozenset({"TooManyRequestsException", "LimitExceededException", "Throttling", "ThrottlingException",
                    "ServiceUnavailable", "InternalFailure", "InternalServiceErrorException"})  # fmt: skip
_MESSAGE = frozenset({"MessageRejected", "BadRequestException", "InvalidParameterValue", "ValidationException"})
_GATEWAY = frozenset({502, 504})


@dataclass(frozen=True)
class SesProvider:
    region: str
    url: str | None = None
    configuration_set: str | None = None
    name: str = "ses"

    @classmethod
    def of(cls, settings: Settings) -> "SesProvider":
        if settings.ses_region is None:
            raise ConfigurationError("SES_REGION is not set. Set it to the region of your SES account: eu-central-1.")
        return cls(settings.ses_region, settings.ses_url, settings.ses_configuration_set)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(THREADS, thread_name_prefix="ses")

    @cached_property
    def _client(self) -> Any:
        """Made by the first mail, in a thread: reading its description takes a while."""
        return boto3.session.Session().client(
            "sesv2",
            region_name=self.region,
            endpoint_url=self.url,
            # One request for one mail: boto3's own retries would send one mail three times after a time-out.
            config=Config(
                retries={"total_max_attempts": 1, "mode": "standard"},
                connect_timeout=CONNECT,
                read_timeout=READ,
                max_pool_connections=THREADS,
            ),
        )

    async def send(self, message: Message, recipients: Sequence[str]) -> Receipt:
        request = self._request(message, recipients)
        loop = asyncio.get_running_loop()
        own_id = await loop.run_in_executor(self._threads, self._send, request)
        return Receipt(self.name, message.message_id, tuple(recipients), {}, own_id, own_id or None)

    def _request(self, message: Message, recipients: Sequence[str]) -> dict[str, Any]:
        """SES writes a Message-ID of its own; ours goes in a header and in the tags, which events bring back."""
        content = message.with_headers({"X-Callboard-Email": str(message.id)}).as_bytes()
        request: dict[str, Any] = {
            "FromEmailAddress": message.sender.addr_spec,
            "Destination": {"ToAddresses": list(recipients)},  # the envelope; the headers name everybody
            "Content": {"Raw": {"Data": content}},
            "EmailTags": [{"Name": ID, "Value": str(message.id)}],
        }
        if self.configuration_set is not None:
            request["ConfigurationSetName"] = self.configuration_set
        return request

    def _send(self, request: dict[str, Any]) -> str:
        try:
            return str(self._client.send_email(**request).get("MessageId", ""))
        except ClientError as error:
            raise _refused(error) from error
        except (ReadTimeoutError, ConnectionClosedError) as error:
            raise Ambiguous(f"The answer of SES was lost: {error}.", code="reset") from error
        except NoConnection as error:  # no such name, nobody there, a wrong certificate
            raise NotSent(f"SES cannot be reached: {error}.", code="connect") from error
        except HTTPClientError as error:
            raise Ambiguous(f"The answer of SES was lost: {error}.", code="reset") from error
        except BotoCoreError as error:  # no credentials, a wrong region
            raise ChannelRefused(f"SES cannot be used: {error}.", code="account") from error


def _refused(error: ClientError) -> NotSent | Ambiguous | Rejected:
    answer = error.response
    code = answer.get("Error", {}).get("Code", "")
    meta = answer.get("ResponseMetadata", {})
    status = int(meta.get("HTTPStatusCode", 0))
    reply = Reply.of(status, f"{code}: {answer.get('Error', {}).get('Message', '')}")
    if status in _GATEWAY:
        return Ambiguous(f"SES said: {reply}. The e-mail may have been taken.", code=f"http_{status}")
    if code in _LATER or status == 429 or status >= 500:
        return NotSent(f"SES did not take the e-mail for now: {reply}.", _seconds(meta), code=code)
    if code in _MESSAGE:
        return Rejected(f"SES refused the e-mail: {reply}.", code=code)
    return ChannelRefused(f"SES refused the request, whatever the e-mail: {reply}.", code=code)


def _seconds(meta: Any) -> float | None:
    with contextlib.suppress(KeyError, ValueError):
        return max(0.0, float(meta["HTTPHeaders"]["retry-after"]))
    return None
