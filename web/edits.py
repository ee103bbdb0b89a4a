"""What people and programs send back after it was shown to them masked: put back where nobody touched it.

A mask that nobody knows the value of is refused: the job would get the asterisks.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import orjson

from db.models import Job, ScheduledJob
from errors import BadArguments
from runtime import payload
from services.control import Arguments
from services.masking import MASK, masking

T = TypeVar("T")
_STANDS = re.compile(rf"(?<!\*){re.escape(MASK)}(?!\*)")


def of_job(job: Job, args: list[Any], kwargs: dict[str, Any]) -> Arguments:
    """A job's arguments, edited. Raises BadArguments and TooLarge."""
    payload.encode_arguments(args, kwargs)
    by_place, by_name = masking().arguments(job.actor, job.args, job.kwargs)
    return Arguments(restored(args, job.args, by_place, "args"), restored(kwargs, job.kwargs, by_name, "kwargs"))


def of_schedule(edited: T, actor: str, schedule: ScheduledJob | None = None) -> T:
    """The arguments of a schedule that is to run this actor; those it had count if it ran the same. Raises
    BadArguments."""
    payload.check(edited, "task_args")
    if schedule is None or schedule.task_function != actor:
        return restored(edited, None, None, "task_args")
    return restored(edited, schedule.task_args, masking().task_args(actor, schedule.task_args), "task_args")


def restored(edited: T, original: Any, shown: Any, path: str) -> T:
    """`edited`, in which all that is as it was `shown` is the `original`. Raises BadArguments where a mask is left."""
    return cast("T", _restored(edited, original, shown, path))


def _restored(edited: Any, original: Any, shown: Any, path: str) -> Any:
    if isinstance(edited, dict):
        was, seen = (original, shown) if isinstance(shown, dict) else ({}, {})
        return {
            name: _restored(value, was.get(name), seen.get(name), f"{path}.{name}") for name, value in edited.items()
        }
    if isinstance(edited, list):
        places = _places(edited, shown if isinstance(shown, list) else [])
        pairs = [(None, None) if place is None else (original[place], shown[place]) for place in places]
        return [
            _restored(value, was, seen, f"{path}[{index}]")
            for index, (value, (was, seen)) in enumerate(zip(edited, pairs, strict=True))
        ]
    if not isinstance(edited, str):
        return edited
    if edited == shown:
        return original
    if _STANDS.search(edited):
        raise BadArguments(f"{path} is masked, and nobody knows what stands behind {MASK} here. Write it out.", path)
    return edited


def _places(edited: Sequence[Any], shown: Sequence[Any]) -> list[int | None]:
    """For each element, which of those that were shown it is; None where that is not certain.

    An element that looks as it did is found wherever it is now, if no other looked the same. One that was changed is
    known by its place, as long as none was added, removed or moved there.
    """
    before, now = ([orjson.dumps(one, option=orjson.OPT_SORT_KEYS) for one in all_] for all_ in (shown, edited))
    looks, left = Counter(before), set(now)
    place = {look: index for index, look in enumerate(before)}
    are_as_many = len(before) == len(now)
    return [
        index if are_as_many and (look == before[index] or (look not in looks and before[index] not in left))
        else place[look] if looks[look] == 1
        else None
        for index, look in enumerate(now)
    ]  # fmt: skip
