"""Sends again the mails that did not get to everybody, as a job: so many a second, going on where it was when a worker
dies."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime

import dramatiq
from sqlalchemy.ext.asyncio import AsyncSession

from actors.email import deliver_email
from db import emails
from runtime import current_job
from runtime import enqueue as intake
from runtime.ids import uuid7
from runtime.options import Options

_BATCH = 100
EVER = datetime(2000, 1, 1, tzinfo=UTC)


@dramatiq.actor(queue_name="email", max_retries=20, time_limit=600_000, enqueued_by="services")
async def resend_emails(
    *,
    status: str,
    rate: float,
    since: str | None = None,
    address: str | None = None,
    tag: str | None = None,
    template: str | None = None,
    answer: str | None = None,
) -> dict[str, int]:
    """Make a new job for every mail that matches and can be sent again, oldest first, `rate` a second; whoever has it
    gets no second one. Returns how many.

    What was made after this job is left alone, and what somebody else is sending again. Between two batches the job
    waits without a place on a worker; it can be paused and cancelled there.
    """
    job = current_job()
    kept = job.resumed_from or {"at": since or EVER.isoformat(), "id": str(uuid.UUID(int=0)), "resent": 0}
    batch = max(1, min(_BATCH, int(rate)))
    after = datetime.fromisoformat(kept["at"]), uuid.UUID(kept["id"])
    async with job.database.connection() as connection:
        asked = address, tag, template, answer, status
        rows = await connection.fetch(emails.TO_RESEND, *asked, *after, job.id, batch)
    if not rows:
        return {"resent": kept["resent"]}
    done = {"at": rows[-1]["created_at"].isoformat(), "id": str(rows[-1]["id"]), "resent": kept["resent"]}
    async with job.transaction(checkpoint=done) as session:
        done["resent"] += await _resend(session, [row["id"] for row in rows])
    if len(rows) < batch:
        return {"resent": done["resent"]}
    raise job.Snooze(batch / rate)


async def _resend(session: AsyncSession, ids: list[uuid.UUID]) -> int:
    """Those that still make sense, each with its job. Returns how many."""
    connection = await session.connection()
    found = (await connection.exec_driver_sql(emails.RESEND, (ids, [uuid7() for _ in ids]))).all()
    calls = [replace(intake.bind(deliver_email, (str(row.id),), {}), id=row.job_id) for row in found]
    await intake.enqueue_many(session, Options(), calls)
    return len(found)
