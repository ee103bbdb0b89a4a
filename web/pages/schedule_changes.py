"""What one version of a schedule has otherwise than another."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import orjson

from db.models import ScheduledJobVersion
from services.masking import masking

Change = tuple[str, str, str]  # a field, what it was, and what it is, as JSON


def of_versions(versions: Sequence[ScheduledJobVersion]) -> dict[int, list[Change]]:
    """By version, the latest first: what it changed."""
    return {now.version: between(before.document, now.document) for now, before in pairwise(versions)}


def between(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Of two documents; arguments are masked. Where only what is masked differs, both sides look the same."""
    return [(name, _said(name, old), _said(name, new)) for name in new if old.get(name) != new.get(name)]


def _said(name: str, document: Mapping[str, Any]) -> str:
    value = document.get(name)
    if name == "task_args" and value:
        value = masking().task_args(document["task_function"], value)
    return orjson.dumps(value).decode()
