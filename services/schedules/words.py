"""When a schedule runs, in words."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cron_descriptor import ExpressionDescriptor, FormatError, Options

_NAMED = {
    "@yearly": "At 00:00 on 1 January", "@annually": "At 00:00 on 1 January",
    "@monthly": "At 00:00, on day 1 of the month", "@weekly": "At 00:00, only on Sunday", "@daily": "At 00:00",
    "@midnight": "At 00:00", "@hourly": "Every hour",
}  # fmt: skip


def in_words(job_type: str, config: Mapping[str, Any]) -> str:
    """`At 09:00, Monday through Friday`; `Every 5 minutes`; `Once, 2027-01-01T09:00`. Never raises."""
    if job_type == "cron":
        return _cron(str(config.get("expression", "")))
    if job_type == "interval":
        parts = [f"{number} {unit if number != 1 else unit.removesuffix('s')}" for unit, number in config.items()]
        words = ", ".join(parts)
        return f"Every {words.removeprefix('1 ') if len(parts) == 1 else words}"
    if job_type == "date":
        return f"Once, {config.get('run_at', '')}"
    for name, joined in (("any", "; or: "), ("all", "; and: ")):
        if isinstance(config.get(name), list):
            return joined.join(_part(part) for part in config[name])
    return job_type


def expression(job_type: str, config: Mapping[str, Any]) -> str:
    """What stands behind the words; empty where they say it all."""
    return str(config.get("expression", "")) if job_type == "cron" else ""


def _part(part: Any) -> str:
    if not isinstance(part, dict):
        return str(part)
    return in_words(str(part.get("type")), {name: value for name, value in part.items() if name != "type"})


@lru_cache(maxsize=10_000)
def _cron(text: str) -> str:
    named = _NAMED.get(text.strip().lower())
    if named:
        return named
    options = Options(use_24hour_time_format=True, locale_code="en_US")
    try:
        return str(ExpressionDescriptor(text, options).get_description())
    except FormatError:  # what it has no words for
        return text
