"""What ended is counted, once."""

import uuid
from datetime import timedelta

import pytest

from runtime.client import Client
from scheduling.leader import Leader
from scheduling.statistics import Statistics
from services import statistics
from tests.runtime.observing import fetch

ENDED = """
insert into jobs (id, actor, queue, args, kwargs, state, outcome, attempt, run_at, started_at, finished_at)
select gen_random_uuid(), $1, 'q', '[]', '{}', case $2::int when 1 then 'succeeded' else 'failed' end, $2, 2,
       now() - interval '60 s' - make_interval(secs => $3), now() - interval '60 s',
       now() - interval '60 s' + make_interval(secs => $4)
from generate_series(1, $5::int)
returning id
"""

FAILED = """
insert into job_attempts (job_id, attempt, worker, started_at, ended_at, error_type, error_message, traceback)
values ($1, $2, gen_random_uuid(), now() - interval '61 s', now() - interval '60 s', 'ValueError', $3, '')
"""


@pytest.fixture
async def counting(client: Client) -> Statistics:
    """Of a leader, counting since two minutes ago."""
    leader = Leader(client.database, 60.0)
    await leader.run_once()
    await fetch(client, "insert into statistics_progress values ('ended', now() - interval '120 s')")
    return Statistics(client.database, leader)


@pytest.mark.parametrize("period", [timedelta(hours=1), timedelta(days=7), timedelta(days=30)])
async def test_jobs_are_counted_by_how_they_ended(client: Client, counting: Statistics, period: timedelta) -> None:
    """Given jobs of two actors that ended a minute ago, when they are counted twice over, then each is counted once,
    with how long it waited and ran."""
    await fetch(client, ENDED, "swift", 1, 0.0, 0.03, 90)
    await fetch(client, ENDED, "swift", 2, 0.0, 0.03, 10)
    await fetch(client, ENDED, "slow", 1, 4.0, 8.0, 5)
    for _ in range(3):
        await counting.run_once()
    async with client.session() as session:
        points = await statistics.throughput(session, period)
        swift, slow = await statistics.by_actor(session, period)
        waits = [point.wait_p50 for point in await statistics.latency(session, period, actor="slow") if point.wait_p50]
    assert [sum(column) for column in zip(*((p.succeeded, p.failed, p.retries) for p in points), strict=True)] == [
        95, 10, 105,
    ]  # fmt: skip
    assert (swift.actor, swift.jobs, swift.failed, swift.failure_rate) == ("swift", 100, 10, 0.1)
    assert swift.run_p50 == pytest.approx(0.03, abs=0.015)
    assert slow.jobs == 5
    assert slow.run_p95 == pytest.approx(8.0, abs=2.5)
    assert waits == [pytest.approx(4.0, abs=1.5)]


async def test_who_does_not_lead_does_not_count(client: Client, counting: Statistics) -> None:
    """Given a process that is not the leader, then it counts nothing; nor does one whose term has passed."""
    await fetch(client, ENDED, "swift", 1, 0.0, 0.03, 1)
    stranger = Leader(client.database, 60.0)
    await Statistics(client.database, stranger).run_once()
    assert await fetch(client, "select from job_statistics") == []
    await fetch(client, "update leases set term = term + 1")
    await counting.run_once()
    assert await fetch(client, "select from job_statistics") == []


async def test_errors_that_differ_in_values_only_are_one_group(client: Client, counting: Statistics) -> None:
    """Given failures whose messages name other people, ids, numbers and texts, then they are one group; another
    sentence is another one."""
    jobs = [row["id"] for row in await fetch(client, ENDED, "swift", 2, 0.0, 0.03, 3)]
    messages = [
        f"order {uuid.uuid4()} of ada@example.com: 'two apples' at 0x7f3a2c cost 12.50",
        f"order {uuid.uuid4()} of bob@example.org: 'ten' at 0x11 cost 3",
        "no such order",
    ]
    for job, message in zip(jobs, messages, strict=True):
        await fetch(client, FAILED, job, 1, message)
    for _ in range(2):
        await counting.run_once()
    groups = await fetch(client, "select pattern, occurrences from error_groups order by occurrences desc")
    assert [tuple(group) for group in groups] == [
        ("order <id> of <address>: <text> at <hex> cost <n>", 2),
        ("no such order", 1),
    ]
    counted = await fetch(client, "select sum(occurrences)::int from error_statistics where actor = 'swift'")
    assert counted[0][0] == 3
