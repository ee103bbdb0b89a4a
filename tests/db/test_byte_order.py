"""Columns that are looked through by how their values begin do not depend on the database's locale.

In `en_US.UTF-8`, which many servers have, "actor:x" does not lie between "actor:" and "actor;".
"""

import re

import pytest

from db import limits, pauses
from runtime.client import Client
from tests.runtime.observing import value

LOOKED_THROUGH = {("jobs", "blocked_by"): pauses.GOING_ON, ("limits", "key"): limits.IN_USE}


@pytest.mark.parametrize(("table", "column"), LOOKED_THROUGH)
async def test_it_is_in_the_order_of_bytes(client: Client, table: str, column: str) -> None:
    assert re.search(rf"{column} < .*';'|{column} < 'actor;'", LOOKED_THROUGH[table, column])
    collation = "select collation_name from information_schema.columns where table_name = $1 and column_name = $2"
    assert await value(client, collation, table, column) == "C"
