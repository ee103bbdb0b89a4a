"""What many ask at the same time is asked once, and each gets his own answer."""

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from runtime.together import Together, to_the_end


class Counter:
    """Doubles numbers, as a database would: nothing for a batch with a mistake in it, nor for what others hold."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.alone: list[int] = []
        self.let_go = asyncio.Event()
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    def together(self) -> Together[int, int]:
        return Together(self.double, self.double_alone)

    async def double(self, numbers: list[int]) -> Sequence[int | None]:
        self.asked.append(numbers)
        await self.goes_on.wait()
        if 13 in numbers:
            raise asyncpg.DataError("13 is not a number")
        if 0 in numbers:
            raise ConnectionResetError("away")
        return [None if number >= 100 else 2 * number for number in numbers]

    async def double_alone(self, numbers: list[int]) -> Sequence[int | None]:
        self.alone += numbers
        await self.let_go.wait()
        return [2 * number for number in numbers]


async def test_those_who_ask_meanwhile_are_asked_for_together() -> None:
    """Given a question on its way, when others ask, then theirs is one question, answered to each."""
    counter = Counter()
    together = counter.together()
    counter.goes_on.clear()
    first = asyncio.create_task(together.ask(1))
    while not counter.asked:
        await asyncio.sleep(0)
    others = [asyncio.create_task(together.ask(number)) for number in range(2, 6)]
    await asyncio.sleep(0)
    counter.goes_on.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6, 8, 10]
    assert counter.asked == [[1], [2, 3, 4, 5]]


async def test_a_mistake_is_only_the_one_who_makes_it() -> None:
    """Given an item that the database refuses, then its neighbours are answered all the same."""
    counter = Counter()
    together = counter.together()
    answers = await asyncio.gather(*(together.ask(number) for number in (1, 13, 2)), return_exceptions=True)
    assert (answers[0], answers[2]) == (2, 4)
    assert isinstance(answers[1], asyncpg.DataError)


async def test_a_server_that_is_away_fails_all() -> None:
    """Given a lost connection, then nobody knows what was done: everybody hears of it, and nothing is asked again."""
    counter = Counter()
    together = counter.together()
    answers = await asyncio.gather(*(together.ask(number) for number in (0, 1)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ConnectionResetError] * 2
    assert len(counter.asked) == 1


async def test_who_stops_waiting_is_not_asked_for() -> None:
    """Given somebody who is cancelled before his question has left, then it never leaves."""
    counter = Counter()
    together = counter.together()
    counter.goes_on.clear()
    first = asyncio.create_task(together.ask(1))
    while not counter.asked:
        await asyncio.sleep(0)
    second, third = asyncio.create_task(together.ask(2)), asyncio.create_task(together.ask(3))
    await asyncio.sleep(0)
    second.cancel()
    counter.goes_on.set()
    assert [await first, await third] == [2, 6]
    with pytest.raises(asyncio.CancelledError):
        await second
    assert counter.asked == [[1], [3]]


async def test_what_somebody_holds_keeps_no_other_waiting() -> None:
    """Given items that cannot be answered now, then the others are, at once; those wait, two at a time."""
    counter = Counter()
    together = counter.together()
    held = [asyncio.create_task(together.ask(number)) for number in (100, 200, 300)]
    assert [await together.ask(number) for number in (1, 2)] == [2, 4]
    await asyncio.sleep(0)
    assert counter.alone == [100, 200]
    counter.let_go.set()
    assert await asyncio.gather(*held) == [200, 400, 600]


async def test_what_must_come_to_its_end_does_though_its_asker_is_cancelled() -> None:
    """Given somebody who is cancelled while his question is on its way, then he hears of that when it is answered."""
    counter = Counter()
    together = counter.together()
    counter.goes_on.clear()
    asking = asyncio.create_task(to_the_end(together.ask(1)))
    while not counter.asked:
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.sleep(0)
    assert not asking.done()
    counter.goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
