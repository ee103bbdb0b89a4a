"""The clock, `periodiq`: one job for each planned minute, however many clocks there are."""

import asyncio
from pathlib import Path

import actors
from runtime.client import Client
from tests.conftest import StartProcess
from tests.runtime.observing import fetch, value
from tests.support.process import Process
from tests.support.waiting import wait_for

MODULE = "tests.actors.some_periodic_actors"


async def start_clock(processes: list[Process], environment: dict[str, str], log: Path, module: str) -> Process:
    clock = Process(["periodiq", module], environment, log)
    processes.append(clock)
    await clock.says("Registered periodic actors")
    return clock


SENT = "Scheduling Actor(every_minute)"  # beside it, those that come with us


async def test_two_clocks_make_one_job_for_a_minute(
    client: Client, processes: list[Process], environment: dict[str, str], worker: StartProcess, tmp_path: Path
) -> None:
    """Given two clocks and an actor due every minute, when both have sent it over two minutes, then each minute has one
    job, with what it returned, and nothing of the actor that is not due."""
    await worker(MODULE)
    clocks = await asyncio.gather(
        *(start_clock(processes, environment, tmp_path / f"clock-{n}.log", MODULE) for n in (1, 2))
    )
    for clock in clocks:
        await clock.says(SENT, times=2, timeout=130)  # as it starts, and as the next minute does

    lines = [line for clock in clocks for line in clock.output.splitlines() if SENT in line]
    sent = {line.rsplit(" at ", 1)[1][:16] for line in lines}

    async def done() -> bool:
        ended = "select count(*) from jobs where actor = 'every_minute' and outcome is not null"
        return bool(await value(client, ended) >= len(sent))

    await wait_for(done)
    jobs = await fetch(
        client,
        "select actor, state, result #>> '{}' as result, options->>'scheduled_at' as at from jobs"
        " where actor in ('every_minute', 'on_leap_days')",
    )
    assert {(job["actor"], job["state"], job["result"]) for job in jobs} == {("every_minute", "succeeded", "tick")}
    minutes = [job["at"][:16] for job in jobs]
    assert sorted(minute for minute in minutes if minute in sent) == sorted(sent)  # another may have begun since


def test_what_comes_with_us_is_planned() -> None:
    """Given the actors of this repository, then jobs are cleaned up each hour and health is looked at each minute."""
    periodic = {
        actor.actor_name: str(actor.options["periodic"])
        for actor in actors.broker.actors.values()
        if "periodic" in actor.options
    }
    assert periodic["cleanup_completed_jobs"] == "17 * * * *"
    assert periodic["health_check"] == "* * * * *"
