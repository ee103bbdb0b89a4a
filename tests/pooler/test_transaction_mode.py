"""Jobs, their transactions, the leader and the console's API, through PgBouncer in transaction mode."""

import os
import signal

from runtime.client import Client
from services.jobs import call
from tests.conftest import StartProcess
from tests.runtime.kinds import BOTH_KINDS
from tests.runtime.observing import all_ended, effects, enqueue_all, value
from tests.runtime.some_actors import job_of
from tests.support.waiting import wait_for


@BOTH_KINDS
async def test_each_of_many_jobs_has_its_effect_once(
    client: Client, stage: None, worker: StartProcess, scheduler: StartProcess, kind: str
) -> None:
    """Given two workers and a scheduler behind the pooler, which has five connections for all of them, when 300 jobs
    write in their own transactions, then each has written once."""
    await scheduler()
    for _ in range(2):
        await worker("tests.runtime.some_actors")
    await enqueue_all(client, [call(job_of(kind, "act"), str(number)) for number in range(300)])
    await all_ended(client, 300)
    assert await value(client, "select count(*) from jobs where state = 'succeeded'") == 300
    assert sorted(await effects(client)) == sorted(map(str, range(300)))


async def test_the_leader_changes(client: Client, scheduler: StartProcess) -> None:
    """Given two schedulers behind the pooler, when the one that leads is stopped, and the next one killed, then another
    leads each time, in a later term."""
    leads = "select term from leases where holder is not null and expires_at > now()"
    processes = [await scheduler(LEADER_LEASE="5")]
    first = await wait_for(lambda: value(client, leads), what="the first leader")
    processes.append(await scheduler(LEADER_LEASE="5"))
    assert processes[0].stop() == 0
    second = await wait_for(lambda: value(client, f"{leads} and term > {first}"), what="the second leader")
    processes.append(await scheduler(LEADER_LEASE="5"))
    os.kill(processes[1].pid, signal.SIGKILL)
    await wait_for(lambda: value(client, f"{leads} and term > {second}"), what="the third leader")
