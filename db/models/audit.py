"""Who did what."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Identity, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


class Audit(Base):
    """Something that a person, or a program on a person's behalf, did."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("audit_job", "job_id", postgresql_where=text("job_id is not null")),
        Index("audit_done", "done_at"),
        Index("audit_who", "who", "id"),
        Index("audit_action", "action", "id"),
        Index("audit_target", "target", "id", postgresql_where=text("target is not null")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    done_at: Mapped[datetime] = mapped_column(server_default=func.now())
    who: Mapped[str]
    action: Mapped[str]
    job_id: Mapped[uuid.UUID | None]
    target: Mapped[str | None]  # a queue, an actor, or a filter
    reason: Mapped[str | None]
    details: Mapped[dict[str, Any] | None] = mapped_column(JSON)
