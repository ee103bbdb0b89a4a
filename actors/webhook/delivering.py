"""One delivery: claim it, send it, write down what came back, and say when to try again."""

import uuid
from dataclasses import dataclass
from functools import cache
from typing import Any

import asyncpg
import dramatiq
import orjson

from actors.webhook import routing
from actors.webhook.disabling import disable
from actors.webhook.ledger import Attempt, Wanted, ledger
from actors.webhook.sealed import open_json, open_secrets
from actors.webhook.warning import is_due, warn
from db import webhooks
from errors import BadArguments, DeliveryError, LeaseLost, NotFound, Rejected
from providers.http import Progress, Response, client
from providers.webhooks.signing import sign
from providers.webhooks.verdict import MOST_FREE, Verdict, judge, next_delay
from runtime import Job, current_job
from settings import settings

KEPT = 16 * 1024  # bytes of a response's body
TEST = "webhook.test"  # the event by which somebody tries an endpoint: sent once, and never held against it
_HEADERS_KEPT = 8 * 1024  # characters of a response's headers
INTERNAL = "internal"  # the code of an attempt that failed on our side, before there was an answer
OUR_FAULT = (INTERNAL, "proxy")  # codes that say nothing of the endpoint
_FLUSH = 0.2  # the share of a pause by which those that waited for its end are spread
_DAY = 86_400


@dataclass(frozen=True)
class _Claimed:
    """A delivery that this run has, and what its request takes."""

    row: asyncpg.Record
    secrets: list[str]
    headers: dict[str, str]
    is_once: bool = False  # whatever comes of it

    @classmethod
    def of(cls, row: asyncpg.Record) -> "_Claimed":
        """Raises ConfigurationError when its secrets were sealed with another key."""
        if row["endpoint_id"] is None:
            alone = open_json(settings(), row["message_id"], row["sealed"])
            return cls(row, alone.get("secrets", []), alone.get("headers", {}), alone.get("once", False))
        endpoint: uuid.UUID = row["endpoint_id"]
        secrets = open_secrets(settings(), endpoint, orjson.loads(row["secrets"]), row["now"])
        return cls(row, secrets, open_json(settings(), endpoint, row["headers"]))

    def request_headers(self) -> dict[str, str]:
        """Whatever attempt it is, `webhook-id` stays; the timestamp is this attempt's."""
        message = message_name(self.row["message_id"])
        timestamp = int(self.row["now"].timestamp())
        own = {
            "content-type": "application/json",
            "user-agent": "Callboard-Webhooks",
            "webhook-id": message,
            "webhook-timestamp": str(timestamp),
        }
        if self.secrets:
            own["webhook-signature"] = sign(self.secrets, message, timestamp, self.row["body"])
        return {**self.headers, **own}

    def shown_headers(self, sent: dict[str, str]) -> dict[str, str]:
        """The request's headers as they are kept: custom ones may hold a token."""
        return {name: "********" if name in self.headers else value for name, value in sent.items()}


def message_name(message_id: uuid.UUID) -> str:
    """What the receiver knows the message by, over all attempts and replays."""
    return f"msg_{message_id.hex}"


@dramatiq.actor(
    queue_name="webhooks",
    concurrency=settings().webhook_concurrency,
    key="endpoint",
    max_retries=None,  # the schedule ends it, not a number of runs: those that were put off do not count
    time_limit=180_000,
    throws=(Rejected, BadArguments, NotFound),
    enqueued_by="services",
)
async def deliver_webhook(*, delivery: str, endpoint: str) -> dict[str, Any]:
    """Send one delivery; better enqueued by `services.webhook`. `endpoint` is what its concurrency
    is counted by: an endpoint that hangs holds so many places and no more.

    A failed attempt is run again as WEBHOOK_SCHEDULE says; when that is over the job fails, and the delivery is kept as
    exhausted. Delivery is at least once: when the worker dies while the request is under way it is sent again, with the
    same `webhook-id`.
    """
    job = current_job()
    row = await _claim(job, uuid.UUID(delivery))
    if row is None:
        return await _ended_before(job, uuid.UUID(delivery))
    sent = await _send(job, row)
    return await _conclude(job, row, sent, judge(sent.answer, row["now"]))


async def _claim(job: Job, delivery: uuid.UUID) -> asyncpg.Record | None:
    """The delivery, if this run has it now. None: it has ended, or another run has it. Raises Snooze until it may be
    sent, and ends it if it may not."""
    row = await ledger(job.database).claim(Wanted(delivery, job.id, job.attempt))
    if row is None or row["number"] is not None:
        return row
    if row["quiet_for"] is not None and row["quiet_for"] > 0 and not row["is_disabled"]:
        raise job.Snooze(row["quiet_for"] * (1 + _FLUSH * (job.id.int % 997) / 997))
    if row["is_disabled"]:
        await _skip(job, row)
        raise job.Cancel("Its endpoint is disabled. Enable it, then replay what was skipped.")
    wait = row["slot_in"]
    if wait is None:
        async with job.database.connection() as connection:
            wait = await connection.fetchval(webhooks.TAKE_SLOT, delivery, row["endpoint_id"])
    if wait is not None and wait > 0:
        raise job.Snooze(wait)
    return await _claim(job, delivery)


async def _skip(job: Job, row: asyncpg.Record) -> None:
    if not row["ordered"]:
        async with job.database.connection() as connection:
            await connection.fetchval(webhooks.END, row["id"], job.attempt, "skipped")
        return
    async with job.transaction(checkpoint=None) as session:
        await routing.hold(session, [row["endpoint_id"]])
        await routing.fetch(session, webhooks.END, row["id"], job.attempt, "skipped")
        await routing.hand_on(session, row["endpoint_id"])


async def _ended_before(job: Job, delivery: uuid.UUID) -> dict[str, Any]:
    """An earlier run of this job has ended it, or it is being replayed by hand."""
    async with job.database.connection() as connection:
        outcome = await connection.fetchval(webhooks.OUTCOME, delivery)
    if outcome is None:
        raise NotFound(f"There is no delivery {delivery} for this job. It may have been deleted.")
    if outcome == "succeeded":
        return {"outcome": outcome}
    raise Rejected(f"The delivery has ended: {outcome}. `callboard webhooks replay {delivery}` sends it again.")


@dataclass(frozen=True)
class _Sent:
    """A request, its headers as they are kept, and what came of it."""

    headers: dict[str, str]
    answer: Response | DeliveryError
    progress: Progress
    is_once: bool = False


async def _send(job: Job, row: asyncpg.Record) -> _Sent:
    """Whatever goes wrong here is an answer too: it counts and is on record, or it would be tried for ever."""
    shown: dict[str, str] = {}
    progress, is_once = Progress(), False
    try:
        claimed = _Claimed.of(row)
        is_once = claimed.is_once
        headers = claimed.request_headers()
        shown = claimed.shown_headers(headers)
        return _Sent(shown, await _request(row, headers, progress), progress, is_once)
    except Exception as error:
        job.log.warning("a webhook could not be sent", exc_info=True)
        return _Sent(shown, DeliveryError(f"{type(error).__name__}: {error}", code=INTERNAL), progress, is_once)


async def _request(row: asyncpg.Record, headers: dict[str, str], progress: Progress) -> Response | DeliveryError:
    try:
        return await client(settings()).request(
            "POST", row["url"], headers=headers, body=row["body"], deadline=row["timeout"], most=KEPT, progress=progress
        )
    except DeliveryError as error:
        return error
    except BadArguments as error:  # the settings allow less than when it was written
        return Rejected(str(error), code="refused_url")


async def _conclude(job: Job, row: asyncpg.Record, sent: _Sent, verdict: Verdict) -> dict[str, Any]:
    """Write the attempt down, and end the run as it deserves."""
    is_once = sent.is_once or row["event_type"] == TEST
    counts = not is_once and (verdict.counts or row["number"] - row["failures"] > MOST_FREE)
    failures = row["failures"] + (1 if counts and verdict.ending is None else 0)
    delay = None if verdict.ending or is_once else next_delay(row["schedule"] or _schedule(), failures, verdict.hint)
    outcome = verdict.ending or ("exhausted" if delay is None else None)
    attempt = _attempt(job, row, sent, verdict, outcome, failures - row["failures"], delay)
    ends_more = outcome and (row["ordered"] or verdict.disable or _fails_too_long(row, attempt))
    if row["endpoint_id"] and (ends_more or _is_to_be_told(row, attempt)):
        await _record_and_more(job, row, attempt, verdict.disable, _told(sent.answer))
    else:
        await _record(job, attempt)
    if outcome == "succeeded":
        return {"outcome": outcome, "attempts": row["number"]}
    if outcome:
        raise Rejected(f"{outcome}: {_told(sent.answer)}")
    raise job.Retry(delay, _told(sent.answer))


async def _record(job: Job, attempt: Attempt) -> None:
    if not await ledger(job.database).record(attempt):
        raise LeaseLost(f"Run {job.attempt} of job {job.id} was given up.")


async def _record_and_more(
    job: Job, row: asyncpg.Record, attempt: Attempt, disabled_for: str | None, said: str
) -> None:
    """The attempt, together with the end of an endpoint, or a word of warning, and the next of an ordered one."""
    endpoint: uuid.UUID = row["endpoint_id"]
    async with job.transaction(checkpoint=None) as session:
        await routing.hold(session, [endpoint])
        if not await routing.fetch(session, webhooks.RECORD, *attempt.columns()):
            raise LeaseLost(f"Run {job.attempt} of job {job.id} was given up.")
        if disabled_for:
            await disable(session, endpoint, disabled_for)
        elif _fails_too_long(row, attempt):
            days = settings().webhook_disable_days
            reason = f"Every attempt has failed for {days:g} days."
            await disable(session, endpoint, reason, if_failing_for=days * _DAY)
        elif _is_to_be_told(row, attempt):
            await warn(session, endpoint, said, settings().webhook_disable_days * _DAY)
        if row["ordered"] and attempt.outcome:
            await routing.hand_on(session, endpoint)


def _fails_too_long(row: asyncpg.Record, attempt: Attempt) -> bool:
    """As far as was known at the claim. Only a delivery that is exhausted tells: its failures are spread over days,
    whereas `failing_since` may be a single one of long ago."""
    if attempt.outcome != "exhausted" or not _is_held_against_it(attempt) or row["failing_for"] is None:
        return False
    return bool(row["failing_for"] >= settings().webhook_disable_days * _DAY)


def _is_to_be_told(row: asyncpg.Record, attempt: Attempt) -> bool:
    failures = row["failures"] + attempt.failures
    return _is_held_against_it(attempt) and is_due(row, failures, settings().webhook_disable_days * _DAY)


def _is_held_against_it(attempt: Attempt) -> bool:
    return attempt.failures > 0 and attempt.code not in OUR_FAULT


def _attempt(
    job: Job,
    row: asyncpg.Record,
    sent: _Sent,
    verdict: Verdict,
    outcome: str | None,
    failures: int,
    delay: float | None,
) -> Attempt:
    quiet = verdict.quiet if outcome is None else None
    headers = orjson.dumps(sent.headers).decode()
    timings = sent.progress.timings
    made = Attempt(
        row["id"], job.attempt, outcome, failures, delay, row["now"], row["url"], headers, quiet=quiet,
        address=sent.progress.address, timings=orjson.dumps(timings.as_json()).decode() if timings.total else None,
    )  # fmt: skip
    answer = sent.answer
    if isinstance(answer, DeliveryError):
        return made._replace(code=answer.code, error=_storable(str(answer))[:1000])
    return made._replace(
        status=answer.status,
        response_headers=_kept_headers(answer),
        response_body=answer.text,
        truncated=answer.truncated,
    )


def _storable(text: str) -> str:
    """An error may quote what PostgreSQL does not take: then the attempt could not be written down."""
    return text.encode(errors="replace").decode().replace("\0", "")


def _kept_headers(answer: Response) -> str:
    kept, size = [], 0
    for name, value in answer.headers:
        size += len(name) + len(value)
        if size > _HEADERS_KEPT:
            break
        kept.append([name, value.replace("\0", "")])
    return orjson.dumps(kept).decode()


def _told(answer: Response | DeliveryError) -> str:
    return str(answer) if isinstance(answer, DeliveryError) else f"The receiver answered {answer.status}."


@cache
def _schedule() -> list[float]:
    return [float(step) for step in settings().webhook_schedule]
