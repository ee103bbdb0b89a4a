"""`callboard limits …`."""

from runtime.client import Client
from tests.cli.callboard import callboard


async def test_a_limit_is_set_and_reset(client: Client) -> None:
    async with client.database.connection() as connection:
        await connection.execute("insert into limits (key, concurrency) values ('send_email:acme', 3)")
    key = "send_email:acme"
    done = await callboard("limits", "set", key, "--concurrency", 5, "--reason", "they have paid")
    assert done.out == "send_email:acme: 5 at once. The code has 3 at once. What runs goes on.\n"
    (found,) = (await callboard("limits", "list", "send_email", "--json")).json
    assert (found["key"], found["concurrency"], found["declared_concurrency"]) == (key, 5, 3)
    assert "they have paid" in (await callboard("limits", "list", "send_email")).out
    refused = await callboard("limits", "set", key, "--rate", "10/m", "--reason", "why")
    assert (refused.code, "not counted that way" in refused.err) == (1, True)
    assert (await callboard("limits", "reset", key)).out == "send_email:acme: 3 at once, as the code has it.\n"
    assert (await callboard("limits", "reset", key)).code == 4
    assert (await callboard("limits", "set", "nobody", "--concurrency", 1, "--reason", "why")).code == 3
    async with client.database.connection() as connection:
        rows = await connection.fetch("select action, target, reason from audit order by id")
    assert [tuple(row) for row in rows] == [("limit.set", key, "they have paid"), ("limit.reset", key, None)]
