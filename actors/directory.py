"""Keeps our copy of the directory's users."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import dramatiq
from sqlalchemy.ext.asyncio import AsyncSession

from db import housekeeping
from errors import DirectoryError
from runtime import current_job
from settings import settings

if TYPE_CHECKING:
    from providers.directory import DirectoryUser


@dramatiq.actor(queue_name="maintenance", enqueued_by="operators", max_retries=3, time_limit=1_800_000)
async def sync_domain_users(accept_fewer: bool = False) -> dict[str, int]:
    """Make `domain_users` what the directory has now. Returns how many were added, changed, removed, and are there.

    Refuses, with nothing changed, when the directory gives no user at all, or less than LDAP_LEAST_SHARE of those that
    were there: a filter gone wrong, or a directory half restored, looks like everybody having left. If so many have,
    run it once with accept_fewer=true.
    """
    from providers.directory import read_users  # ldap3 is 12 MB, and most workers never read a directory

    users = await asyncio.to_thread(read_users, settings())
    async with current_job().transaction() as session:
        counts = await _replace(session, users, accept_fewer=accept_fewer)
        current_job().set_result(counts)
    current_job().log.info("synced the directory's users", **counts)
    return counts


async def _replace(session: AsyncSession, users: Sequence["DirectoryUser"], *, accept_fewer: bool) -> dict[str, int]:
    connection = await session.connection()
    await connection.exec_driver_sql(housekeeping.LOCK_USERS)
    before = (await connection.exec_driver_sql(housekeeping.COUNT_USERS)).scalar_one()
    _refuse_a_wipe(before, len(users), accept_fewer=accept_fewer)
    columns = (
        [user.object_guid for user in users], [user.account_name for user in users], [user.mail for user in users],
        [user.display_name for user in users], [user.enabled for user in users],
    )  # fmt: skip
    counted = (await connection.exec_driver_sql(housekeeping.REPLACE_USERS, columns)).one()
    return dict(counted._asdict())


def _refuse_a_wipe(before: int, now: int, *, accept_fewer: bool) -> None:
    least = settings().ldap_least_share
    if now == 0:
        raise DirectoryError(
            f"The directory gave no user at all; {before} were known, and stay. Look at LDAP_BASE_DN and LDAP_FILTER."
        )
    if now < before * least and not accept_fewer:
        raise DirectoryError(
            f"The directory gave {now} users where {before} were known, less than LDAP_LEAST_SHARE ({least:g}) of "
            "them. Nothing was changed. If so many have left, run sync_domain_users with accept_fewer=true."
        )
