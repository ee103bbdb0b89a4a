"""What is kept of what a job logs has its limits: lines, bytes, levels, attempts; and what a killed worker costs."""

import pytest

from runtime.client import Client
from tests.conftest import StartProcess
from tests.runtime.kinds import BOTH_KINDS
from tests.runtime.observing import ended, enqueue, relaying, value
from tests.runtime.telemetry_actors import broker
from tests.runtime.test_logs import lines_of
from tests.support.waiting import wait_for

ACTORS = "tests.runtime.telemetry_actors"
IN_THREE_SECONDS = 600  # lines, one every 5 ms at most


@BOTH_KINDS
async def test_a_full_log_says_so(client: Client, worker: StartProcess, kind: str) -> None:
    """Given a log of 20 lines and another of 1 KiB, then the last line of each says that it is full."""
    await worker(ACTORS, JOB_LOG_LINES="20", JOB_LOG_KIB="1")
    actor = broker.actors[f"logging_many_{kind}"]
    many, long = await enqueue(client, actor, 100), await enqueue(client, actor, 10, 300)
    async with relaying(client):
        assert (await ended(client, many)).state == (await ended(client, long)).state == "succeeded"
    lines = await lines_of(client, many)
    assert [line.message.split()[0:2] for line in lines[:-1]] == [["line", str(n)] for n in range(1, 20)]
    assert lines[-1].message.startswith("This run's log is full")
    assert lines[-1].level == "warning"
    lines = await lines_of(client, long)
    assert len(lines) == 4
    assert lines[-1].message.startswith("This run's log is full")


@pytest.mark.parametrize(("level", "least"), [("debug", 0), ("info", 1), ("error", 3)])
async def test_the_log_has_a_level_of_its_own(client: Client, worker: StartProcess, level: str, least: int) -> None:
    """Given JOB_LOG_LEVEL and a LOG_LEVEL of info, then each of both logs has the lines of its level."""
    process = await worker(ACTORS, JOB_LOG_LEVEL=level)
    levels = ["debug", "info", "warning", "error"]
    for kind in ("async", "sync"):
        async with relaying(client):
            job = await ended(client, await enqueue(client, broker.actors[f"logging_at_each_level_{kind}"]))
        expected = [f"{way} {name}" for name in levels[least:] for way in ("plain", "handle")]
        messages = [line.message for line in await lines_of(client, job.id)]
        assert [message for message in messages if message.split()[0] in ("plain", "handle")] == expected
    await process.says("handle error")
    assert "plain warning" in process.output
    assert "plain debug" not in process.output
    assert "handle debug" not in process.output


async def test_kill_9_costs_the_last_moment(client: Client, worker: StartProcess) -> None:
    """Given a job that logs all the time, when its worker is killed, then what it had logged before the last seconds is
    kept, with no gap. These are counted by the lines that it can log in them: one that stalls logs nothing."""
    process = await worker(ACTORS)
    job_id = await enqueue(client, broker.actors["logging_until_killed"])

    async def has_logged() -> bool:
        return bool(await value(client, "select count(*) >= 900 from job_logs where job_id = $1", job_id))

    await wait_for(has_logged)
    process.kill()
    logged = await client.redis.llen("stage:logged")
    lines = await lines_of(client, job_id)
    assert [int(line.message) for line in lines] == list(range(1, len(lines) + 1))
    assert len(lines) >= logged - IN_THREE_SECONDS


async def test_of_earlier_attempts_the_newest_lines_stay(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given a log of 20 lines and a job with three attempts of 15, then each has its own, and of the first two the
    newest 20 are kept."""
    await worker(ACTORS, JOB_LOG_LINES="20")
    await scheduler()
    job_id = await enqueue(client, broker.actors["logging_and_failing"], 15)
    assert (await ended(client, job_id)).state == "succeeded"
    numbers = [line.attempt for line in await lines_of(client, job_id)]
    assert (numbers.count(1) + numbers.count(2), numbers.count(3)) == (20, 15)
    assert numbers.count(2) == 16  # with the line that says why it failed
