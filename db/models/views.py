"""What people keep for themselves in the console."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


class SavedView(Base):
    """A search of the job list that a person has given a name."""

    __tablename__ = "saved_views"
    __table_args__ = (
        CheckConstraint("length(name) between 1 and 100 and length(query) <= 1000", name="saved_views_lengths"),
    )

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    query: Mapped[str]
    saved_at: Mapped[datetime] = mapped_column(server_default=func.now())
