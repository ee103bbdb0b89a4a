"""What callers of the API send beside a job."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


class JobMetadata(Base):
    """What a caller wants to be kept beside its job. A table of its own: a job without any pays nothing for it."""

    __tablename__ = "job_metadata"

    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    data: Mapped[dict[str, Any]] = mapped_column(JSON)


class IdempotencyKey(Base):
    """A request that was carried out: the same one again gets its answer, and does nothing."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("idempotency_keys_created", "created_at"),)

    caller: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes]  # SHA-256 of what was asked for
    answer: Mapped[Any | None] = mapped_column(JSON)  # [[job id, was it made], ...]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
