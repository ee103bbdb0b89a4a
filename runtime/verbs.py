"""What can be done to jobs from outside, and telling those whom it concerns once it is committed."""

import uuid
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from db import control
from runtime.transport import CONTROL, ENDED, WAKE, Notice

if TYPE_CHECKING:
    from runtime.outbox import Outbox

Done = dict[uuid.UUID, str]  # the jobs to which something was done, and their states now


class Place(NamedTuple):
    """Where a job is to stand; None: as it does."""

    queue: str | None = None
    priority: int | None = None  # lower runs first; -32768 to 32767


AS_IT_IS = Place()


class Verb(StrEnum):
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    RETRY = "retry"
    RUN_NOW = "run_now"
    MOVE = "move"
    DELETE = "delete"


_WITH_REASON = {Verb.CANCEL: control.CANCEL, Verb.PAUSE: control.PAUSE}
_PLAIN = {Verb.RESUME: control.RESUME, Verb.RUN_NOW: control.RUN_NOW, Verb.DELETE: control.DELETE}


async def do(
    session: AsyncSession,
    verb: Verb,
    ids: Sequence[uuid.UUID],
    *,
    who: str,
    reason: str | None = None,
    from_start: bool = False,
    to: Place = AS_IT_IS,
) -> Done:
    """Do it in the session's transaction to all of these jobs in whose state it makes sense. Jobs that are cancelled
    say by whom and why; `from_start` is for a retry, `to` for a move."""
    if verb in _WITH_REASON:
        why = f"by {who}" if reason is None else f"{reason} (by {who})"
        done = await _execute(session, _WITH_REASON[verb], (list(ids), why))
    elif verb is Verb.RETRY:
        done = await _retry(session, ids, from_start)
    elif verb is Verb.MOVE:
        done = await _execute(session, control.MOVE, (list(ids), *to))
    else:
        done = await _execute(session, _PLAIN[verb], (list(ids),))
    outbox: Outbox | None = session.info.get("outbox")
    if outbox is not None and done:  # without an outbox all look by themselves, every second
        outbox.post(session, _notices(verb, done))
    return done


def _notices(verb: Verb, done: Done) -> list[Notice]:
    """Workers are told of what is wanted of their runs, relays of what is due, and those who wait of ends."""
    if verb in (Verb.CANCEL, Verb.PAUSE):
        ended = [str(job) for job, state in done.items() if state == "cancelled"]
        return [
            *([Notice(CONTROL, verb.value)] if "running" in done.values() else []),
            *([Notice(ENDED, " ".join(ended))] if ended else []),
        ]
    if verb is Verb.DELETE:
        return [Notice(ENDED, " ".join(map(str, done)))]
    return [Notice(WAKE, "queued again")]


async def _retry(session: AsyncSession, ids: Sequence[uuid.UUID], from_start: bool) -> Done:
    """Of several with one unique key only the first comes to life again."""
    try:
        async with session.begin_nested():
            return await _execute(session, control.RETRY, (list(ids), from_start))
    except IntegrityError:
        done: Done = {}
        for job in ids if len(ids) > 1 else ():
            done |= await _retry(session, [job], from_start)
        return done


async def _execute(session: AsyncSession, statement: str, values: tuple[object, ...]) -> Done:
    connection = await session.connection()
    rows: list[Any] = list(await connection.exec_driver_sql(statement, values))
    return {uuid.UUID(str(row[0])): row[1] for row in rows}
