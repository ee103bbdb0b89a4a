"""Which of several schedulers leads."""

import pytest

from runtime.client import Client
from scheduling import leader
from scheduling.leader import Leader

LEASE = 60.0

pytestmark = pytest.mark.usefixtures("nobody")


async def expire(client: Client) -> None:
    """The lease runs out, as if nobody had renewed it."""
    async with client.database.connection() as connection:
        await connection.execute("update leases set expires_at = now()")


async def test_one_of_two_leads(client: Client) -> None:
    first, second = Leader(client.database, LEASE), Leader(client.database, LEASE)
    waits = [await one.run_once() for one in (first, second, first, second)]
    assert (first.leads, second.leads, first.term) == (True, False, 1)
    assert waits[2] == LEASE / 2  # it renews at half its life
    assert waits[3] <= 1  # a standby looks often


async def test_a_leader_that_resigns_is_followed_at_once(client: Client) -> None:
    first, second = Leader(client.database, LEASE), Leader(client.database, LEASE)
    await first.run_once()
    await first.resign()
    await second.run_once()
    assert (first.leads, second.leads, second.term) == (False, True, 2)


async def test_a_leader_finds_that_its_term_is_over(client: Client) -> None:
    """Given a leader whose lease ran out and was taken, when it would renew it, then it leads no more."""
    first, second = Leader(client.database, LEASE), Leader(client.database, LEASE)
    await first.run_once()
    await expire(client)
    await second.run_once()
    await first.run_once()
    assert (first.leads, second.leads) == (False, True)


async def test_who_did_not_lead_does_not_end_another_term(client: Client) -> None:
    """Given a leader that lost its term and does not know, when it resigns, then its follower leads on."""
    first, second = Leader(client.database, LEASE), Leader(client.database, LEASE)
    await first.run_once()
    await expire(client)
    await second.run_once()
    await first.resign()
    await second.run_once()
    assert (second.leads, second.term) == (True, 2)


async def test_a_lease_near_its_end_is_not_trusted(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a lease of which less is left than the margin, then its holder does not act, though nobody else can."""
    monkeypatch.setattr(leader, "_MARGIN", LEASE + 1)
    holder, other = Leader(client.database, LEASE), Leader(client.database, LEASE)
    await holder.run_once()
    assert holder.term == 1
    assert not holder.leads
    await other.run_once()
    assert (other.leads, other.term) == (False, 0)
