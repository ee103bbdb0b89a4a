"""Pauses that end by themselves."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table pauses add column until timestamptz not null default 'infinity'")


def downgrade() -> None:
    op.execute("alter table pauses drop column until")
