"""Who lives, and who leads."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, Text, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


class Worker(Base):
    """A worker process, as long as it is believed to live. Without its row it cannot claim."""

    __tablename__ = "workers"
    __table_args__ = {"postgresql_with": {"fillfactor": 50}}  # noqa: RUF012 (SQLAlchemy reads it so)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    process: Mapped[str]  # names the process as no other, on any host, now or later
    queues: Mapped[list[str]] = mapped_column(ARRAY(Text))
    async_slots: Mapped[int]
    threads: Mapped[int]
    version: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    heartbeat_at: Mapped[datetime] = mapped_column(server_default=func.now())
    memory: Mapped[int | None] = mapped_column(BigInteger)  # bytes that it held at the last heartbeat
    cpu: Mapped[float | None]  # percent of a core that it used since the one before
    python: Mapped[str | None]
    dramatiq: Mapped[str | None]


class Release(Base):
    """Something that was deployed: the first time a worker was of it."""

    __tablename__ = "releases"

    version: Mapped[str] = mapped_column(primary_key=True)
    first_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Lease(Base):
    """Who leads, and until when. The term only grows."""

    __tablename__ = "leases"
    __table_args__ = {"postgresql_with": {"fillfactor": 50}}  # noqa: RUF012 (SQLAlchemy reads it so)

    name: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[uuid.UUID]
    term: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[datetime]
    since: Mapped[datetime] = mapped_column(server_default=func.now())  # of this term
