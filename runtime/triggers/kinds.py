"""The kinds of triggers that there are, and how a schedule's configuration names one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from errors import BadArguments
from runtime.triggers.clock import moment_of
from runtime.triggers.combination import AllOf, AnyOf
from runtime.triggers.cron import Cron
from runtime.triggers.simple import Date, Interval
from runtime.triggers.trigger import Trigger

Config = Mapping[str, Any]
_LONGEST = timedelta(days=3_660)
_MOST_PARTS = 20
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class JobType:
    """A kind of trigger. `build` gets the configuration, the zone, the moment from which intervals count, and the
    configuration's path for errors; it raises BadArguments."""

    name: str
    description: str
    config_schema: dict[str, Any]
    example: dict[str, Any]
    build: Callable[[Config, ZoneInfo, datetime, str], Trigger]


JOB_TYPES: dict[str, JobType] = {}


def register(job_type: JobType) -> None:
    """Make a kind of trigger known to this process; call it in actors/, which all processes import."""
    JOB_TYPES[job_type.name] = job_type


def build(job_type: str, config: Config, zone: ZoneInfo, anchor: datetime, path: str = "schedule_config") -> Trigger:
    """The trigger of a configuration. Raises BadArguments, whose `path` names what is wrong with it."""
    kind = JOB_TYPES.get(job_type)
    if kind is None:
        raise BadArguments(f"job_type {job_type!r} is none of {', '.join(sorted(JOB_TYPES))}.", "job_type")
    properties = kind.config_schema["properties"]
    for key in config:
        if key not in properties:
            raise BadArguments(f"{path}.{key} is not known. A {job_type} has {_listed(properties)}.", f"{path}.{key}")
    return kind.build(config, zone, anchor, path)


def _interval(config: Config, zone: ZoneInfo, anchor: datetime, path: str) -> Trigger:
    for name, number in config.items():
        if type(number) is not int or number < 0:
            raise BadArguments(f"{path}.{name} must be a whole number from 0 on.", f"{path}.{name}")
    try:
        length = timedelta(**config)
    except OverflowError:
        length = timedelta.max
    if not timedelta(seconds=1) <= length <= _LONGEST:
        raise BadArguments(f"{path} is an interval of {length}; it must be within 1 s and {_LONGEST.days} days.", path)
    return Interval(int(length.total_seconds()), anchor)


def _cron(config: Config, zone: ZoneInfo, anchor: datetime, path: str) -> Trigger:
    expression = config.get("expression")
    if not isinstance(expression, str):
        raise BadArguments(f"{path}.expression must be a cron expression, as in '*/5 * * * *'.", f"{path}.expression")
    try:
        return Cron(expression, zone)
    except ValueError as error:
        raise BadArguments(f"{path}.expression {error}", f"{path}.expression") from None


def _date(config: Config, zone: ZoneInfo, anchor: datetime, path: str) -> Trigger:
    path = f"{path}.run_at"
    try:
        run_at = datetime.fromisoformat(config.get("run_at") or "")
    except (TypeError, ValueError):
        raise BadArguments(
            f"{path} must be a date like '2027-01-01T09:00' or '2027-01-01T09:00+01:00'.", path
        ) from None
    moment = moment_of(run_at, zone) if run_at.tzinfo is None and _is_near(run_at.replace(tzinfo=UTC)) else run_at
    if moment.tzinfo is None or not _is_near(moment):
        raise BadArguments(f"{path} {run_at} is not within the years 2000 and 2199.", path)
    return Date(moment)


def _is_near(moment: datetime) -> bool:
    return _FIRST <= moment < _LAST


def _combination(config: Config, zone: ZoneInfo, anchor: datetime, path: str) -> Trigger:
    if len(config) != 1:
        raise BadArguments(f'{path} must have either "any" or "all".', path)
    ((name, parts),) = config.items()
    if not isinstance(parts, list) or not 1 <= len(parts) <= _MOST_PARTS:
        raise BadArguments(f"{path}.{name} must be a list of 1 to {_MOST_PARTS} configurations.", f"{path}.{name}")
    triggers = []
    for index, part in enumerate(parts):
        at = f"{path}.{name}[{index}]"
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            raise BadArguments(f'{at} must name its "type", and have what that needs.', at)
        if part["type"] == "combination":
            raise BadArguments(f"{at} is a combination within a combination, which is not possible.", at)
        triggers.append(build(part["type"], {k: v for k, v in part.items() if k != "type"}, zone, anchor, at))
    return AnyOf(triggers) if name == "any" else AllOf(triggers)


def _listed(properties: Mapping[str, Any]) -> str:
    return ", ".join(properties)


def _object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


_UNITS = ("weeks", "days", "hours", "minutes", "seconds")
_PARTS = {"type": "array", "items": {"type": "object", "required": ["type"]}, "minItems": 1, "maxItems": _MOST_PARTS}

register(
    JobType(
        "interval",
        "Every so much elapsed time, from 1 s on; the units add up.",
        _object({unit: {"type": "integer", "minimum": 0} for unit in _UNITS}, minProperties=1),
        {"minutes": 5},
        _interval,
    )
)
register(
    JobType(
        "cron",
        "By a cron expression, on the wall clock of the schedule's time zone.",
        _object({"expression": {"type": "string"}}, required=["expression"]),
        {"expression": "0 9 * * mon-fri"},
        _cron,
    )
)
register(
    JobType(
        "date",
        "Once; a date without an offset is one of the schedule's time zone.",
        _object({"run_at": {"type": "string", "format": "date-time"}}, required=["run_at"]),
        {"run_at": "2027-01-01T09:00"},
        _date,
    )
)
register(
    JobType(
        "combination",
        'Several as one: due whenever one of them is ("any"), or when all are at the same moment ("all").',
        _object({"any": _PARTS, "all": _PARTS}, minProperties=1, maxProperties=1),
        {"any": [{"type": "cron", "expression": "0 9 * * mon-fri"}, {"type": "cron", "expression": "0 11 * * sat"}]},
        _combination,
    )
)
