"""`current_job()`: each job sees itself, and nobody else sees one."""

import pytest

from runtime import current_job
from runtime.client import Client
from services.jobs import call
from tests.runtime.engine import Engine
from tests.runtime.kinds import BOTH_KINDS
from tests.runtime.observing import ended, enqueue, enqueue_all
from tests.runtime.some_actors import job_of


@BOTH_KINDS
async def test_a_job_sees_itself(client: Client, engine: Engine, kind: str) -> None:
    job = await ended(client, await enqueue(client, job_of(kind, "describe")))
    assert job.result == {
        "id": str(job.id), "attempt": 1, "queue": f"stage-{kind}", "actor": f"describe_{kind}"
    }  # fmt: skip


@BOTH_KINDS
async def test_a_jobs_log_lines_carry_its_id_and_attempt(client: Client, engine: Engine, kind: str) -> None:
    job_id = await enqueue(client, job_of(kind, "describe"))
    await ended(client, job_id)
    await engine.worker.says(str(job_id))
    [line] = [line for line in engine.worker.output.splitlines() if str(job_id) in line]
    for part in ("described", "answer=42", "attempt=1", f"describe_{kind}"):
        assert part in line


@pytest.mark.parametrize(("kind", "number"), [("async", 50), ("sync", 4)])
async def test_jobs_that_run_at_once_see_each_their_own(client: Client, engine: Engine, kind: str, number: int) -> None:
    """Given jobs that all run at the same time and wait for each other, then each still sees itself afterwards."""
    ids = await enqueue_all(client, [call(job_of(kind, "meet"), f"meeting-{kind}", number)] * number)
    for job_id in ids:
        job = await ended(client, job_id)
        assert (job.state, job.result) == ("succeeded", str(job_id))


def test_outside_of_a_job_there_is_none() -> None:
    with pytest.raises(RuntimeError, match="Call it inside an actor"):
        current_job()
