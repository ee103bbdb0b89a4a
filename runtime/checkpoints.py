"""Keeps what jobs go on from after a crash, a retry, a deploy or a pause: many in one statement."""

import asyncio
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from db import checkpoints
from db.database import Database
from errors import LeaseLost
from runtime.batch import Batch
from runtime.checkpoint import Checkpoint
from runtime.delivery import Delivery
from runtime.lease import WorkerLease
from runtime.patience import patiently


@dataclass(frozen=True)
class _Save:
    delivery: Delivery
    data: str
    items: list[str]
    saved: asyncio.Future[None]


class Checkpoints:
    """Lives on the worker's event loop."""

    def __init__(self, database: Database, lease: WorkerLease) -> None:
        self._database, self._lease = database, lease
        self._batch: Batch[_Save] = Batch(self._flush)

    async def save(self, delivery: Delivery, checkpoint: Checkpoint) -> None:
        """Returns when it is in the database. Raises LeaseLost if the run was given up."""
        saved = asyncio.get_running_loop().create_future()
        self._batch.add(_Save(delivery, checkpoint.encode(), checkpoint.take_items(), saved))
        await saved

    async def load(self, deliveries: list[Delivery]) -> None:
        """Give these runs what earlier attempts of their jobs have saved."""

        async def read() -> dict[uuid.UUID, str]:
            async with self._database.connection() as connection:
                return dict(await connection.fetch(checkpoints.LOAD, [d.job_id for d in deliveries]))

        found = await patiently("loading checkpoints", read)
        for delivery in deliveries:
            if delivery.job_id in found:
                delivery.checkpoint = Checkpoint.decode(found[delivery.job_id])

    async def save_unsaved(self, deliveries: list[Delivery]) -> None:
        """Before their runs end: how far their loops have come since the last checkpoint. Those of stale runs are
        refused, as their ends will be."""
        unsaved = [d for d in deliveries if d.checkpoint.is_ahead]
        if unsaved:
            gone = asyncio.get_running_loop().create_future()
            await self._write([_Save(d, d.checkpoint.encode(), d.checkpoint.items, gone) for d in unsaved])

    async def _flush(self, batch: list[_Save]) -> None:
        try:
            held = await patiently("saving checkpoints", lambda: self._write(batch))
        except Exception as error:  # noqa: BLE001 (whatever it is, the jobs that wait for it must hear of it)
            for save in batch:
                if not save.saved.done():
                    save.saved.set_exception(error)
            return
        for save in batch:
            if save.saved.done():  # its job was cancelled meanwhile
                continue
            if save.delivery.job_id in held:
                save.saved.set_result(None)
            else:
                save.saved.set_exception(LeaseLost(f"Run {save.delivery.attempt} of {save.delivery} was given up."))

    async def _write(self, saves: list[_Save]) -> set[uuid.UUID]:
        """Returns the jobs whose runs still count."""
        latest = {save.delivery.job_id: save for save in saves}.values()  # of two by one job the later
        items = [(save.delivery, name) for save in saves for name in save.items]
        async with self._database.connection() as connection:
            if items:
                await connection.execute(
                    checkpoints.KEEP_ITEMS, *_runs(d for d, _ in items), [name for _, name in items], self._lease.worker
                )
            rows = await connection.fetch(
                checkpoints.SAVE, *_runs(s.delivery for s in latest), [s.data for s in latest], self._lease.worker
            )
        return {row[0] for row in rows}


def _runs(deliveries: Iterable[Delivery]) -> tuple[list[uuid.UUID], list[int]]:
    named = [(delivery.job_id, delivery.attempt) for delivery in deliveries]
    return [job for job, _ in named], [attempt for _, attempt in named]
