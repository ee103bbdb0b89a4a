"""Sends e-mail: claims the mail's row, hands the mail to a provider, writes down what the provider said."""

import asyncio
import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

import asyncpg
import dramatiq
import orjson

from actors.email_ledger import Outcome, Wanted, ledger
from db import emails, suppressions
from db.database import Database
from errors import Ambiguous, BadArguments, ChannelClosed, DeliveryError, InDoubt, NotSent, Rejected
from providers.email import TELLING, Draft, Receipt, asked_for, check_recipients, fail_over, read_draft, route
from providers.email.events import BOUNCES_EXPIRE, is_hard_bounce
from providers.email.gate import AGAIN
from providers.email.receipt import Reply, as_json
from providers.email.rows import row_of
from providers.http import Progress
from runtime import Job, current_job
from runtime.failure import storable
from runtime.patience import patiently
from settings import settings

MINUTE = 60_000  # milliseconds, as Dramatiq wants them
TIME_LIMIT = 15 * MINUTE  # more than the server may take over the message itself (SMTP_FINAL_TIMEOUT)
LONGEST_HELD = 86_400.0  # seconds that a mail waits for a provider that takes none of ours

_CUT_OFF = "The run was stopped while the mail was on its way: it may have been delivered."
_LEFT_TO_YOU = (
    "It is sent at most once, so it is left to you: look for it in the provider's log, then leave it, or send it again "
    "with `callboard emails resend`."
)


@dramatiq.actor(
    queue_name="email",
    max_retries=3,
    min_backoff=MINUTE,
    time_limit=TIME_LIMIT,
    throws=(Rejected, BadArguments, InDoubt),
    enqueued_by="services",
)
async def deliver_email(email_id: str) -> dict[str, Any]:
    """Deliver a mail whose row `services.email` has written."""
    return await _deliver(current_job(), uuid.UUID(email_id))


@dramatiq.actor(
    queue_name="email",
    max_retries=3,
    min_backoff=MINUTE,
    time_limit=TIME_LIMIT,
    throws=(Rejected, BadArguments, InDoubt),
)
async def send_email(
    *,
    to: str | list[str] | None = None,
    subject: str | None = None,
    text: str | None = None,
    html: str | None = None,
    cc: str | list[str] | None = None,
    bcc: str | list[str] | None = None,
    reply_to: str | list[str] | None = None,
    sender: str | None = None,
    headers: dict[str, str] | None = None,
    attachments: list[dict[str, str]] | None = None,
    template: str | None = None,
    data: dict[str, Any] | None = None,
    mailing_list: str | None = None,
    provider: str | None = None,
    tags: list[str] | None = None,
    policy: str | None = None,
) -> dict[str, Any]:
    """Send a mail, for whoever can only enqueue by name; `services.email.send` checks it before it makes a job.

    It has succeeded once every recipient was accepted. A recipient refused for now, and a provider that cannot be
    reached, are tried again; one refused for good fails the job. Recipients that were accepted are never sent to again.

    When nobody knows whether the mail has left (the provider's answer was lost, the worker died in between), it is
    `unknown`: the provider's events settle that, or its policy does. `at_most_once` leaves it to a person,
    `at_least_once` sends it again with the same Message-ID (docs/decisions/0003-partly-refused-mail.md).
    """
    job = current_job()
    content = {
        "to": to, "cc": cc, "bcc": bcc, "reply_to": reply_to, "sender": sender, "text": text, "html": html,
        "headers": headers, "attachments": attachments, "data": data,
    }  # fmt: skip
    draft, message = read_draft(
        settings(), content, subject=subject, template=template, mailing_list=mailing_list, tags=tags or ()
    )
    providers = asked_for(provider)
    check_recipients(route(settings(), providers, draft.tags), message)
    row = row_of(
        draft, message, email_id=job.id, providers=providers,
        policy=policy or settings().email_policy,
    )  # fmt: skip
    async with job.database.connection() as connection:
        await connection.fetch(emails.INSERT, orjson.dumps([row]).decode())
    return await _deliver(job, job.id)


def _bulk(provider: str, rate: str | None) -> dramatiq.Actor[[str], Any]:
    """The actor of bulk mails that leave by this provider, as many as it is to get: apart from other mail, which does
    not wait behind them."""

    @dramatiq.actor(
        actor_name=f"deliver_bulk_{provider}",
        queue_name="email-bulk",
        rate_limit=rate,
        max_retries=3,
        min_backoff=MINUTE,
        time_limit=TIME_LIMIT,
        throws=(Rejected, BadArguments, InDoubt),
        enqueued_by="services",
    )
    async def deliver_bulk(email_id: str) -> dict[str, Any]:
        return await _deliver(current_job(), uuid.UUID(email_id))

    return deliver_bulk


BULK = {
    "file": _bulk("file", None),
    "smtp": _bulk("smtp", settings().smtp_rate),
    "sendgrid": _bulk("sendgrid", settings().sendgrid_rate),
    "ses": _bulk("ses", settings().ses_rate),
}


async def _deliver(job: Job, email_id: uuid.UUID) -> dict[str, Any]:
    claimed = await _claim(job, email_id)
    if isinstance(claimed, dict):
        return claimed
    return await claimed.send(job)


async def _claim(job: Job, email_id: uuid.UUID) -> "_Claimed | dict[str, Any]":
    """The mail, claimed by this run and committed; or, if there is nothing to be done, what is known of it."""
    wanted, book = Wanted(email_id, job.id, job.attempt), ledger(job.database)
    row = await book.claim(wanted)
    if row is not None:
        return _Claimed.of(row)
    async with job.database.connection() as connection:
        await connection.execute(emails.DOUBT, email_id, job.id, job.attempt)
        state = await connection.fetchrow(emails.STATE, email_id)
    if state is None:
        raise BadArguments(f"There is no e-mail {email_id}. It may have been deleted after its retention.")
    if state["status"] == "unknown" and state["job_id"] == job.id:
        _decide(job, state)
        row = await book.claim(wanted._replace(again=True))
        if row is not None:
            return _Claimed.of(row)
    if state["is_forgotten"] and not state["accepted"]:
        raise BadArguments(f"The words of e-mail {email_id} are past their retention: it cannot be sent any more.")
    return _known(email_id, state)


def _decide(job: Job, state: asyncpg.Record) -> None:
    """Nobody knows whether it has left. Return if it is to be sent again, now."""
    left = settings().email_unknown_grace - state["claimed_for"]
    if left > 0 and TELLING & set(route(settings(), state["providers"], state["tags"] or ())):
        raise job.Snooze(left)
    if state["policy"] == "at_most_once":
        raise InDoubt(f"{state['error']} {_LEFT_TO_YOU}")


def _known(email_id: uuid.UUID, state: asyncpg.Record) -> dict[str, Any]:
    """A mail that was settled by an earlier run, or by events: the result of this one."""
    refused = orjson.loads(state["refused"] or b"{}")
    return {"provider": state["provider"], "email": str(email_id), "status": state["status"],
            "accepted": list(state["accepted"]), "refused": refused, "reply": ""}  # fmt: skip


@dataclass
class _Claimed:
    """A mail that this run may send."""

    id: uuid.UUID
    draft: Draft
    policy: str
    providers: tuple[str, ...]
    accepted: list[str]  # by earlier attempts; in small letters, as those of `held_back`
    refused: dict[str, Reply]  # for good, by earlier attempts
    held_back: list[str]  # who is on the suppression list
    held_for: float | None  # seconds for which its provider has taken no mail of ours, as far as it knows

    @classmethod
    def of(cls, row: asyncpg.Record) -> "_Claimed":
        draft = Draft(
            orjson.loads(row["content"]), row["subject"], row["template"], row["mailing_list"], tuple(row["tags"] or ())
        )
        providers = route(settings(), row["providers"], draft.tags)
        replies = {address: Reply(**said) for address, said in orjson.loads(row["refused"] or b"{}").items()}
        refused = {address: reply for address, reply in replies.items() if reply.is_final}
        return cls(row["id"], draft, row["policy"], providers, list(row["accepted"]), refused,
                   list(row["suppressed"]), row["held_for"])  # fmt: skip

    @property
    def suppressed(self) -> list[str]:
        """Who gets nothing for another reason than this mail: whom it was refused for may be held back because of
        that, and stays refused."""
        refused = {address.lower() for address in self.refused}
        return [address for address in self.held_back if address not in refused]

    async def send(self, job: Job) -> dict[str, Any]:
        progress = Progress()
        try:
            message = self.draft.write(self.id, settings())
            kept_from = {*self.accepted, *self.held_back}
            recipients = [address for address in message.recipients if address.lower() not in kept_from]
            receipt = Receipt(self.providers[0], message.message_id, (), {})
            if recipients:
                receipt = await fail_over(settings(), self.providers, message, recipients, progress)
        except asyncio.CancelledError:
            await self._cut_off(job, progress)
            raise
        except Exception as error:  # whatever it is, only this run knows whether the mail has left
            if isinstance(error, ChannelClosed) and (self.held_for or 0) < LONGEST_HELD:
                await self._hold(job, error)
            await self._settle(job, self._status(job, error, progress), error=error)
            if isinstance(error, Ambiguous) and self.policy == "at_most_once" and not TELLING & set(self.providers):
                raise InDoubt(f"{error} {_LEFT_TO_YOU}") from error
            raise
        earlier = [address for address in message.recipients if address.lower() in self.accepted]
        receipt = receipt.after(earlier, self.refused)
        if receipt.refused:
            refusal = receipt.refusal()
            await self._settle(job, self._status(job, refusal, progress), receipt, refusal)
            raise refusal
        if not recipients:
            status = "sent" if self.accepted else "suppressed"
            await self._settle(job, status)
            return {"status": status, "suppressed": self.suppressed}
        await self._settle(job, "sent", receipt)
        return receipt.as_json() | ({"suppressed": self.suppressed} if self.suppressed else {})

    async def _hold(self, job: Job, error: ChannelClosed) -> NoReturn:
        """Nothing is wrong with the mail: it waits until the provider takes mail again, and no attempt is used up."""
        if self.held_for is None:
            job.log.warning("the mail waits: its provider takes no mail of ours", error=str(error))
        await self._settle(job, "queued", error=error, held=True)
        raise job.Snooze(AGAIN * random.uniform(1, 1.5))  # noqa: S311 (jitter, no secret)

    async def _cut_off(self, job: Job, progress: Progress) -> None:
        """The worker stops, or somebody wants no more of it. A mail that has not left is as good as new."""
        if progress.has_left:
            await self._settle(job, "unknown", error=Ambiguous(_CUT_OFF))
        else:
            await self._settle(job, "queued")

    def _status(self, job: Job, error: Exception, progress: Progress) -> str:
        if isinstance(error, Rejected):
            return "rejected"
        if isinstance(error, Ambiguous) or (progress.has_left and not isinstance(error, NotSent)):
            return "unknown"
        return "failed" if job.is_last_attempt or isinstance(error, BadArguments) else "queued"

    async def _settle(
        self,
        job: Job,
        status: str,
        receipt: Receipt | None = None,
        error: Exception | None = None,
        *,
        held: bool = False,
    ) -> None:
        """Write down what this run made of the mail, unless a later one has it by now; and who has no mailbox."""
        accepted = [address.lower() for address in receipt.accepted] if receipt else self.accepted
        told = error.refused if isinstance(error, DeliveryError) else {}
        refused = {address: reply for address, reply in {**as_json(self.refused), **told}.items()
                   if address.lower() not in accepted}  # fmt: skip
        outcome = Outcome(
            self.id, job.id, job.attempt, status, accepted,
            refused or None, self.suppressed or None, receipt.provider if receipt else self.providers[0],
            receipt.provider_id if receipt else None,
            None if error is None else storable(str(error) or type(error).__name__), held,
        )  # fmt: skip
        written = await ledger(job.database).settle(outcome)
        if suppressed := self._to_suppress(told):
            await patiently("suppressing who has no mailbox", partial(_suppress, job.database, suppressed))
        if not written:
            job.log.warning("this run was given up; its mail is in other hands", email=str(self.id), status=status)

    def _to_suppress(self, refused: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [
            {"address": address, "reason": "hard_bounce", "email_id": str(self.id), "note": reply["text"],
             "added_by": "smtp", "seconds": BOUNCES_EXPIRE}
            for address, reply in sorted(refused.items())
            if is_hard_bounce(reply["text"]) and address.lower() not in self.held_back
        ]  # fmt: skip


async def _suppress(database: Database, rows: list[dict[str, Any]]) -> None:
    async with database.connection() as connection:
        await connection.execute(suppressions.ADD, orjson.dumps(rows).decode())
