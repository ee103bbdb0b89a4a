"""Schedules that the code declares: made once, kept as declared, until a person changes them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import ScheduledJob, ScheduledJobVersion
from services.schedules.spec import ScheduleSpec
from services.schedules.store import CODE, create, replace, spec_of
from settings import Settings


@dataclass(frozen=True)
class Default:
    """A schedule as scheduling/defaults.py declares it; `more` are further fields of ScheduleSpec."""

    name: str
    description: str
    task_function: str
    job_type: str
    schedule_config: dict[str, Any]
    task_args: dict[str, Any] = field(default_factory=dict)
    needs: str | None = None  # a setting without which it is disabled: "ldap_url"
    more: dict[str, Any] = field(default_factory=dict)

    def spec(self, settings: Settings) -> ScheduleSpec:
        return ScheduleSpec(
            name=self.name,
            description=self.description,
            task_function=self.task_function,
            job_type=self.job_type,
            schedule_config=self.schedule_config,
            task_args=self.task_args,
            **{"enabled": self.needs is None or getattr(settings, self.needs) is not None, **self.more},
        )


async def seed(session: AsyncSession, defaults: Sequence[Default], settings: Settings) -> None:
    """Make those that are missing, and bring those that nobody has changed to what is declared now.

    What a person has edited or deleted stays as that person left it.
    """
    for default in defaults:
        spec = default.spec(settings)
        found = await session.scalar(select(ScheduledJob).where(ScheduledJob.name == spec.name))
        if found is None and not await _was_deleted(session, spec.name):
            await create(session, spec, who=CODE)
        elif found is not None and found.managed_by == "code" and spec_of(found) != spec:
            await replace(session, found.id, spec, who=CODE)


async def _was_deleted(session: AsyncSession, name: str) -> bool:
    latest = ScheduledJobVersion.changed_at.desc(), ScheduledJobVersion.version.desc()
    of_it = select(ScheduledJobVersion.change).where(ScheduledJobVersion.name == name)
    return await session.scalar(of_it.order_by(*latest).limit(1)) == "delete"
