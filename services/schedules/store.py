"""Creating, changing and asking for schedules: each change is a version, with its row in the audit.

`who` is a user's name, an API key's, "cli:<login name>", or "code" for the defaults of scheduling/defaults.py.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import func

from db import schedules
from db.models import ScheduledJob, ScheduledJobExecution, ScheduledJobVersion
from errors import Conflict, NotFound
from runtime import enqueue
from runtime.ids import uuid7
from runtime.transport import CHANGED, SCHEDULES, Notice
from services import audit, unique
from services.schedules.spec import TICK, ScheduleSpec

if TYPE_CHECKING:
    from runtime.outbox import Outbox

CODE = "code"


async def create(session: AsyncSession, spec: ScheduleSpec, *, who: str, path: str = "") -> ScheduledJob:
    """Raises BadArguments, whose `path` names what is wrong, or Conflict if the name is taken."""
    spec.check(path)
    now = await moment(session)
    anchor = spec.start_at or now
    due = spec.first_run(anchor, now, path)
    schedule = ScheduledJob(
        id=uuid7(), **spec.model_dump(), anchor_at=anchor, next_run_at=due if spec.enabled else None,
        managed_by="code" if who == CODE else "person", off_by=None if spec.enabled else who, created_by=who,
        updated_by=who, version=1,
    )  # fmt: skip
    session.add(schedule)
    await _flush(session, spec.name)
    await _changed(session, schedule, "create", who)
    return schedule


async def edit(
    session: AsyncSession, schedule_id: uuid.UUID, changes: dict[str, Any], *, who: str, version: int | None = None
) -> ScheduledJob:
    """Change some fields. Raises NotFound, BadArguments, or Conflict if it is at another version by now."""
    schedule = await held(session, schedule_id, version)
    return await set_fields(session, schedule, spec_of(schedule).changed(changes), "edit", who)


async def replace(
    session: AsyncSession, schedule_id: uuid.UUID, spec: ScheduleSpec, *, who: str, version: int | None = None,
    path: str = "",
) -> ScheduledJob:  # fmt: skip
    """Set all fields: those that `spec` leaves out to their defaults. Raises as `edit`."""
    return await set_fields(session, await held(session, schedule_id, version), spec, "edit", who, path)


async def delete(session: AsyncSession, schedule_id: uuid.UUID, *, who: str) -> None:
    """Its history and versions stay. Raises NotFound."""
    schedule = await held(session, schedule_id)
    schedule.version += 1
    await drop_waiting(session, schedule, f"the schedule was deleted by {who}")
    await _changed(session, schedule, "delete", who)
    await session.delete(schedule)
    await session.flush()


async def trigger(
    session: AsyncSession,
    schedule_id: uuid.UUID,
    *,
    who: str,
    task_args: dict[str, Any] | list[Any] | None = None,
) -> ScheduledJobExecution:
    """Run it now, whatever its times say, whether it is enabled or its last run still goes; with other arguments this
    once, if they are given. Raises NotFound, or BadArguments if its actor does not take them."""
    schedule = await get(session, schedule_id)
    spec = spec_of(schedule)
    if task_args is not None:
        spec = spec.changed({"task_args": task_args})
    execution = ScheduledJobExecution(
        id=uuid7(), schedule_id=schedule.id, schedule=schedule.name, triggered_by=who,
        planned_at=await session.scalar(select(func.clock_timestamp())),
        status="shadow" if schedule.shadow else "fired",
    )  # fmt: skip
    if not schedule.shadow:
        execution.job_id = (await enqueue.enqueue(session, spec.options(), spec.call())).id
    session.add(execution)
    audit.note(session, who, "schedule.trigger", target=schedule.name, job_id=execution.job_id)
    await session.flush()
    tell(session, Notice(CHANGED, "schedules"))
    return execution


async def get(session: AsyncSession, schedule_id: uuid.UUID) -> ScheduledJob:
    """Raises NotFound."""
    schedule = await session.get(ScheduledJob, schedule_id)
    if schedule is None:
        raise NotFound(f"There is no schedule {schedule_id}.")
    return schedule


async def find(session: AsyncSession, name_or_id: str) -> ScheduledJob:
    """By its name, or its id. Raises NotFound."""
    schedule: ScheduledJob | None = await session.scalar(select(ScheduledJob).where(ScheduledJob.name == name_or_id))
    if schedule is not None:
        return schedule
    try:
        return await get(session, uuid.UUID(name_or_id))
    except ValueError:
        raise NotFound(f"No schedule is named {name_or_id!r}. `callboard schedules list` shows all.") from None


async def listed(
    session: AsyncSession,
    *,
    page: int = 1,
    per_page: int = 50,
    enabled: bool | None = None,
    task_function: str | None = None,
    kind: str | None = None,
) -> list[ScheduledJob]:
    """A page of the schedules, both kinds, by name."""
    statement = select(ScheduledJob).order_by(ScheduledJob.name).limit(per_page).offset((page - 1) * per_page)
    wanted = ((ScheduledJob.enabled, enabled), (ScheduledJob.task_function, task_function), (ScheduledJob.kind, kind))
    for column, value in wanted:
        if value is not None:
            statement = statement.where(column == value)
    return list(await session.scalars(statement))


async def versions(session: AsyncSession, schedule_id: uuid.UUID) -> Sequence[ScheduledJobVersion]:
    """What it has been, and who made it so; latest first, also of a schedule that was deleted."""
    of_it = ScheduledJobVersion.schedule_id == schedule_id
    newest_first = ScheduledJobVersion.version.desc()
    return list(await session.scalars(select(ScheduledJobVersion).where(of_it).order_by(newest_first)))


async def moment(session: AsyncSession) -> datetime:
    """The database's clock."""
    now: datetime | None = await session.scalar(select(func.now()))
    assert now is not None
    return now


def spec_of(schedule: ScheduledJob) -> ScheduleSpec:
    return ScheduleSpec.model_validate(schedule)


async def held(session: AsyncSession, schedule_id: uuid.UUID, version: int | None = None) -> ScheduledJob:
    """Nobody else changes or fires it until this transaction is over. Raises NotFound, or Conflict of one that periodiq
    triggers or that is at another version."""
    schedule = await session.get(ScheduledJob, schedule_id, with_for_update=True, populate_existing=True)
    if schedule is None:
        raise NotFound(f"There is no schedule {schedule_id}.")
    require_changeable(schedule)
    if version is not None and version != schedule.version:
        raise Conflict(
            f"{schedule.name} is at version {schedule.version}, changed by {schedule.updated_by}, not at {version}. "
            "Look at it again, then send the change with that version."
        )
    return schedule


def require_changeable(schedule: ScheduledJob) -> None:
    """Raises Conflict of one that periodiq triggers."""
    if schedule.kind == "code":
        raise Conflict(
            f"{schedule.name} is declared with its actor, and periodiq triggers it. Change `periodic` of the actor."
        )


async def set_fields(
    session: AsyncSession, schedule: ScheduledJob, spec: ScheduleSpec, change: str, who: str, path: str = "",
    reason: str | None = None,
) -> ScheduledJob:  # fmt: skip
    """Of one that is held: a new version, unless nothing differs. What is off for a while stays so."""
    before = spec_of(schedule)
    if spec == before:
        return schedule
    spec.check(path)
    now = await moment(session)
    if spec.times_differ(before):
        schedule.anchor_at = spec.start_at or now
        schedule.runs = 0
        after = max(now, schedule.off_until - TICK) if schedule.off_until else now
        due: datetime | None = spec.first_run(schedule.anchor_at, after, path)
    elif not spec.enabled:
        due = None
    elif before.enabled:
        due = schedule.next_run_at
    elif spec.repeat is not None and schedule.runs >= spec.repeat:
        due = None
    else:
        due = spec.first_run(schedule.anchor_at, now, path)
    if spec.enabled != before.enabled:
        _note_switch(schedule, spec.enabled, who, reason)
    for name, value in spec.model_dump().items():
        setattr(schedule, name, value)
    schedule.next_run_at = due if spec.enabled else None
    schedule.parked_until = schedule.problem = None
    schedule.version += 1
    schedule.updated_by, schedule.managed_by = who, "code" if who == CODE else "person"
    schedule.updated_at = now
    await _flush(session, spec.name)
    if not spec.enabled:
        await drop_waiting(session, schedule, f"the schedule was disabled by {who}")
    await _changed(session, schedule, change, who, reason)
    return schedule


def _note_switch(schedule: ScheduledJob, is_on: bool, who: str, reason: str | None) -> None:
    """Who has turned it off, with no end, and why; nobody, where it was turned on."""
    schedule.off_until = None
    schedule.off_by, schedule.off_reason = (None, None) if is_on else (who, reason)


async def _flush(session: AsyncSession, name: str) -> None:
    taken = f"Another schedule is named {name!r}. Names are unique: choose another."
    await unique.flush(session, "scheduled_jobs_name", taken)


async def drop_waiting(session: AsyncSession, schedule: ScheduledJob, reason: str) -> None:
    """Its runs that wait for the end of the last one are not made."""
    connection = await session.connection()
    await connection.exec_driver_sql(schedules.DROP_WAITING, (schedule.id, reason))


async def _changed(
    session: AsyncSession, schedule: ScheduledJob, change: str, who: str, reason: str | None = None
) -> None:
    """The new version, the audit, and a word to the scheduler once it is committed."""
    document = spec_of(schedule).model_dump(mode="json")
    session.add(
        ScheduledJobVersion(
            schedule_id=schedule.id, version=schedule.version, name=schedule.name, change=change, document=document,
            changed_by=who,
        )
    )  # fmt: skip
    details = {"version": schedule.version}
    audit.note(session, who, f"schedule.{change}", target=schedule.name, reason=reason, details=details)
    await session.flush()
    tell(session, Notice(SCHEDULES, change), Notice(CHANGED, "schedules"))


def tell(session: AsyncSession, *notices: Notice) -> None:
    """After the commit. Without an outbox the scheduler and open pages look by themselves, every five seconds."""
    outbox: Outbox | None = session.info.get("outbox")
    if outbox is not None:
        outbox.post(session, list(notices))
