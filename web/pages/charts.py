"""Charts: what the script draws, and the same numbers as rows for a table."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import orjson

from services.releases import Release
from services.schedules.lists import Run
from services.statistics import Latency, Point, Shares

GROUP_COLORS = ("--group-1", "--group-2", "--group-3", "--group-4", "--group-5")
_ROWS = 48  # of the table: the newest


def throughput(points: list[Point], only: str = "", releases: Sequence[Release] = ()) -> dict[str, Any]:
    """What ended. `only` is the search whose jobs are counted; marking a stretch of the chart shows those."""
    columns = [
        [int(point.starts_at.timestamp()) for point in points],
        [point.succeeded for point in points],
        [point.failed for point in points],
        [point.retries for point in points],
    ]
    return _chart(
        columns,
        [
            {"label": "succeeded", "color": "--ok", "fill": "--ok-soft"},
            {"label": "failed", "color": "--bad", "fill": "--bad-soft"},
            {"label": "retries", "color": "--warn"},
        ],
        only,
        releases,
        is_open=True,
    )


def shares(found: Shares, releases: Sequence[Release] = ()) -> dict[str, Any]:
    """What ended of each of a few queues or actors, and of all others."""
    columns = [[int(at.timestamp()) for at in found.moments], *found.busiest.values()]
    series: list[dict[str, Any]] = [
        {"label": name, "color": color} for name, color in zip(found.busiest, GROUP_COLORS, strict=False)
    ]
    if any(found.others):
        columns.append(found.others)
        series.append({"label": "all others", "color": "--line-strong"})
    return _chart(columns, series, "", releases, is_open=True)


def latency(points: list[Latency], only: str = "", releases: Sequence[Release] = ()) -> dict[str, Any]:
    """How long jobs waited and ran."""
    columns: list[list[Any]] = [
        [int(point.starts_at.timestamp()) for point in points],
        [point.wait_p50 for point in points],
        [point.wait_p95 for point in points],
        [point.run_p50 for point in points],
        [point.run_p95 for point in points],
    ]
    return _chart(
        columns,
        [
            {"label": "wait p50, s", "color": "--wait"},
            {"label": "wait p95, s", "color": "--line-strong"},
            {"label": "run p50, s", "color": "--run"},
            {"label": "run p95, s", "color": "--accent"},
        ],
        only,
        releases,
    )


def lengths(runs: Sequence[Run], only: str) -> dict[str, Any]:
    """How long the last runs of a schedule took; newest first."""
    ended = [run for run in reversed(runs) if run.started_at and run.ended_at]
    took = [(run.ended_at - run.started_at).total_seconds() for run in ended if run.started_at and run.ended_at]
    failed = [length if run.status == "failed" else None for run, length in zip(ended, took, strict=True)]
    columns: list[list[Any]] = [[int(run.planned_at.timestamp()) for run in ended], took, failed]
    return _chart(
        columns,
        [
            {"label": "ran, s", "color": "--run", "points": True},
            {"label": "failed, s", "color": "--bad", "points": True},
        ],
        only,
    )


def lateness(runs: Sequence[Run], only: str) -> dict[str, Any]:
    """How long after their time they started."""
    started = [run for run in reversed(runs) if run.started_at]
    late = [max(0.0, (run.started_at - run.planned_at).total_seconds()) for run in started if run.started_at]
    columns: list[list[Any]] = [[int(run.planned_at.timestamp()) for run in started], late]
    return _chart(columns, [{"label": "late, s", "color": "--warn", "points": True}], only)


def _chart(
    columns: list[list[Any]],
    series: list[dict[str, Any]],
    only: str,
    releases: Sequence[Release] = (),
    *,
    is_open: bool = False,
) -> dict[str, Any]:
    """`is_open`: the last moment's numbers still grow."""
    search = quote(f"{only} finished:".lstrip(), safe="")
    marks = [[int(one.first_seen_at.timestamp()), one.version] for one in releases]
    is_open = is_open and len(columns[0]) > 1
    data = {
        "values": columns, "series": series, "marks": marks, "open": is_open,
        "href": f"/jobs?q={search}{{from}}..{{to}}",
    }  # fmt: skip
    return {
        "json": orjson.dumps(data).decode().replace("<", "\\u003c"),
        "labels": [one["label"] for one in series],
        "open": is_open,
        "rows": list(zip(*columns, strict=True))[-_ROWS:][::-1],
    }
