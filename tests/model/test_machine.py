"""The model, played at random."""

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as how
from hypothesis.stateful import run_state_machine_as_test

from settings import Settings
from tests.model.machine import Machine

PLAY = how(
    max_examples=25, stateful_step_count=25, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
LONG = how(PLAY, max_examples=1_000, stateful_step_count=50, derandomize=False)


@pytest.fixture
def machine(migrated: None) -> Iterator[type[Machine]]:
    """The model on a connection and a loop of its own: Hypothesis plays outside of the tests' loop."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(str(Settings().database_url), timeout=10))
        runner.run(connection.execute("set synchronous_commit = off"))
        Machine.runner, Machine.connection = runner, connection
        yield Machine
        runner.run(connection.close())


def test_the_rows_are_always_as_foretold(machine: type[Machine]) -> None:
    run_state_machine_as_test(machine, settings=PLAY)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_they_are_in_a_thousand_plays(machine: type[Machine]) -> None:
    run_state_machine_as_test(machine, settings=LONG)
