"""Schedules as YAML, to keep beside the code, to move and to compare."""

from dataclasses import dataclass, field
from typing import Any

import yaml
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import ScheduledJob
from errors import BadArguments, TooLarge
from services.schedules.spec import ScheduleSpec
from services.schedules.store import create, replace, spec_of

_LIMIT = 4 * 1024 * 1024  # bytes
_FIRST = ("name", "description", "task_function", "job_type", "schedule_config", "task_args")


@dataclass
class Imported:
    """The names of the schedules of a file, by what was done to them."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)


class _Loader(yaml.SafeLoader):
    """Dates stay text, which JSON has; a key that is there twice is refused."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


async def dump(session: AsyncSession) -> str:
    """All schedules in tables, by name, with what differs from the defaults."""
    rows = await session.scalars(select(ScheduledJob).where(ScheduledJob.kind == "table").order_by(ScheduledJob.name))
    listed = [spec_of(row).model_dump(mode="json", exclude_defaults=True) for row in rows]
    ordered = [{key: each[key] for key in (*_FIRST, *each) if key in each} for each in listed]
    return yaml.safe_dump({"schedules": ordered}, sort_keys=False, allow_unicode=True, width=120)


async def load(session: AsyncSession, text: str, *, who: str) -> Imported:
    """Create what is new, replace what differs, by name; what the file does not name stays as it is.

    All of it or nothing: raises BadArguments, whose `path` names what is wrong (`schedules[3].time_zone`), or TooLarge.
    """
    done = Imported()
    for index, fields in enumerate(_parse(text)):
        path = f"schedules[{index}]"
        spec = ScheduleSpec.parse(fields, path)
        found = await session.scalar(select(ScheduledJob).where(ScheduledJob.name == spec.name))
        if found is None:
            await create(session, spec, who=who, path=path)
            done.created.append(spec.name)
        elif spec_of(found) == spec:
            done.unchanged.append(spec.name)
        else:
            await replace(session, found.id, spec, who=who, path=path)
            done.changed.append(spec.name)
    return done


def _parse(text: str) -> list[Any]:
    if len(text.encode(errors="replace")) > _LIMIT:
        raise TooLarge("The schedules", len(text.encode(errors="replace")), _LIMIT)
    try:
        document = yaml.load(text, _Loader)  # noqa: S506 (a SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BadArguments(f"The file is not YAML: {error}", "file") from None
    if not isinstance(document, dict) or set(document) != {"schedules"} or not isinstance(document["schedules"], list):
        raise BadArguments("The file must have one key, `schedules`, with a list of schedules.", "schedules")
    listed: list[Any] = document["schedules"]
    names = [fields.get("name") if isinstance(fields, dict) else None for fields in listed]
    for index, name in enumerate(names):
        if name is not None and name in names[:index]:  # one without a name is refused as such
            raise BadArguments(f"schedules[{index}].name {name!r} is there twice.", f"schedules[{index}].name")
    return listed
