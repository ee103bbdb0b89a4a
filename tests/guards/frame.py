"""How a guard is shown to be needed.

A Case puts rows in a database (`scene`) on which a statement acts. Each change of the scene is one that a single guard
refuses, and no other: after it the statement leaves the rows alone. With that guard cut out of its text it acts on them
again (or breaks a constraint, which is noticed too). Guards in a negation work the other way round: `acts` is False.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import asyncpg


class Case(NamedTuple):
    module: ModuleType
    name: str
    scene: str
    values: Sequence[Any]
    guards: Mapping[str, str]  # as it is written, and the change of the scene that it alone refuses
    acts: bool = True  # on the scene
    # How it is seen that it has acted, in what it returned or in the database; else by the number of rows.
    seen: Callable[[list[asyncpg.Record]], bool] | str | None = None

    @property
    def statement(self) -> str:
        text: str = getattr(self.module, self.name)
        return text


async def has_acted(connection: asyncpg.Connection, case: Case, change: str, statement: str) -> bool:
    """Whether the statement acts on the changed scene; of both nothing stays."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(case.scene + change)
        prepared = await connection.prepare(statement)
        rows = await prepared.fetch(*case.values)
        if isinstance(case.seen, str):
            return bool(await connection.fetchval(case.seen))
        return case.seen(rows) if case.seen else not prepared.get_statusmsg().endswith(" 0")
    except asyncpg.IntegrityConstraintViolationError:
        return True
    finally:
        await transaction.rollback()


async def without(connection: asyncpg.Connection, statement: str, guard: str) -> str:
    """The statement with that guard cut out. A parameter that it names is still to be sent, with its type."""
    parameters = (await connection.prepare(statement)).get_parameters()
    named = sorted({int(number) for number in re.findall(r"\$(\d+)", guard)})
    typed = " and ".join(f"(${number}::{parameters[number - 1].name} is null or true)" for number in named)
    words = r"\s+".join(map(re.escape, guard.split()))
    mutant, cuts = re.subn(
        rf"(\b(?:where|and|or|on)\s+|\()(?:{words})(?!\w|\s*[-+]\s|::)",
        lambda found: found[1] + (typed or "true"),
        statement,
    )
    assert cuts, f"name the guard as it is written: {guard}"
    return mutant


_ENDS = re.compile(
    r"(?:returning|order by|limit|group by|for (?:no key )?(?:update|share|key share)|union|window"
    r"|do (?:nothing|update)|where|join|left join|cross join|on|set)\b"
)


def conditions(statement: str) -> Iterator[str]:
    """What a statement asks for after `where` and `on`, condition by condition; those of a subquery by themselves."""
    text = " ".join(statement.split())
    for found in re.finditer(r"(?<!filter \()\b(?:where|on(?! conflict)) ", text):
        for condition in _conjuncts(text, found.end()):
            if "select" not in condition:
                yield condition


def _conjuncts(text: str, start: int) -> Iterator[str]:
    depth, place = 0, start
    while place <= len(text):
        letter = text[place : place + 1]
        depth += (letter == "(") - (letter == ")")
        is_over = not letter or depth < 0 or (depth == 0 and text[place - 1] == " " and _ENDS.match(text, place))
        if is_over or (depth == 0 and text.startswith(" and ", place)):
            condition = text[start:place].strip()
            hidden = re.fullmatch(r"coalesce\((.*), false\)", condition)  # from the planner
            yield from _conjuncts(hidden[1], 0) if hidden else [condition]
            start = place + 5
        if is_over:
            return
        place += 1
