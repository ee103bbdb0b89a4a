"""Results: what fits is stored, what does not fails the job with a clear error."""

import pytest

from runtime.client import Client
from tests.runtime.engine import Engine
from tests.runtime.kinds import BOTH_KINDS
from tests.runtime.observing import attempts, ended, enqueue
from tests.runtime.some_actors import job_of

pytestmark = BOTH_KINDS


async def test_a_result_of_256_kib_is_stored(client: Client, engine: Engine, kind: str) -> None:
    job = await ended(client, await enqueue(client, job_of(kind, "give"), "largest"))
    assert (job.state, job.result) == ("succeeded", "x" * (256 * 1024 - 2))


@pytest.mark.parametrize(
    ("what", "error", "advice"),
    [
        ("too large", "TooLarge", "pass a reference"),
        ("a date", "BadArguments", "the result.when is a datetime"),
        ("nan", "BadArguments", "the result[0] is nan"),
        ("nul", "BadArguments", "Remove it"),
    ],
)
async def test_a_result_that_cannot_be_stored_fails_the_job_at_once(
    client: Client, engine: Engine, kind: str, what: str, error: str, advice: str
) -> None:
    """Given such a result, then the job fails with a message that says what to do; a second run would give the same."""
    job = await ended(client, await enqueue(client, job_of(kind, "give"), what))
    assert (job.state, job.attempt, job.result) == ("failed", 1, None)
    assert job.error is not None
    assert job.error["type"] == error
    assert advice in job.error["message"]
    assert len(await attempts(client, job.id)) == 1
