"""What all tables have in common."""

from datetime import datetime

from sqlalchemy import Text
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import DateTime


class Base(DeclarativeBase):
    type_annotation_map = {str: Text, datetime: DateTime(timezone=True)}  # noqa: RUF012 (SQLAlchemy reads it so)
