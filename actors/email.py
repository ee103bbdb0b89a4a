"""Sends e-mail."""

from typing import Any

import dramatiq
import orjson

from db import emails
from errors import BadArguments, LeaseLost, Rejected
from providers.email import Receipt, default_sender, provider, read_message
from runtime import Job, current_job
from settings import settings

MINUTE = 60_000  # milliseconds, as Dramatiq wants them


@dramatiq.actor(
    queue_name="email",
    max_retries=3,
    min_backoff=MINUTE,
    time_limit=15 * MINUTE,  # more than the server may take over the message itself (SMTP_FINAL_TIMEOUT)
    throws=(Rejected, BadArguments),
)
async def send_email(
    *,
    to: str | list[str] | None = None,
    subject: str,
    text: str,
    html: str | None = None,
    cc: str | list[str] | None = None,
    bcc: str | list[str] | None = None,
    reply_to: str | list[str] | None = None,
    sender: str | None = None,
    headers: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Hand an e-mail to the provider; better enqueued by `services.email.send`, which checks it first.

    It has succeeded once every recipient was accepted. A recipient refused for now, and a provider that cannot be
    reached, are tried again; one refused for good fails the job. Recipients that were accepted are never sent to
    again: who they are is kept with the job, whatever becomes of it (see docs/decisions/0003-partly-refused-mail.md).

    Delivery is at least once: when the provider's answer is lost (Ambiguous), or the worker dies before it has
    written it down, the mail is sent again, with the same Message-ID.
    """
    job = current_job()
    message = read_message(
        job.id,
        sender=sender or default_sender(settings()),
        to=to,
        cc=cc,
        bcc=bcc,
        reply_to=reply_to,
        subject=subject,
        text=text,
        html=html,
        headers=headers,
    )
    done = await _accepted_before(job)
    receipt = await provider(settings()).send(
        message, [address for address in message.recipients if address not in done]
    )
    receipt = receipt.after(done)
    if receipt.refused:
        await _keep(job, receipt)
        raise receipt.refusal()
    return receipt.as_json()


async def _accepted_before(job: Job) -> list[str]:
    """Who was accepted by earlier attempts, of which there is a record if they accepted some and refused others."""
    if job.attempt == 1:
        return []
    async with job.database.connection() as connection:
        kept = await connection.fetchval(emails.KEPT_RECEIPT, job.id)
    return list(orjson.loads(kept)["accepted"]) if kept else []


async def _keep(job: Job, receipt: Receipt) -> None:
    async with job.database.connection() as connection:
        kept = await connection.fetchval(
            emails.KEEP_RECEIPT, job.id, job.attempt, orjson.dumps(receipt.as_json()).decode()
        )
    if kept is None:
        raise LeaseLost(f"Run {job.attempt} of job {job.id} was given up.")
