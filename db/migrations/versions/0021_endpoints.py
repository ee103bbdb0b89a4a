"""Endpoints: their owners are warned, they may have a schedule of their own, and deleted ones go in pieces."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table webhook_endpoints add column warned_at timestamptz")
    op.execute("alter table webhook_endpoints add column deleted_at timestamptz")
    op.execute("alter table webhook_endpoints add column schedule float8[]")


def downgrade() -> None:
    op.execute("delete from webhook_endpoints where deleted_at is not null")
    op.execute("alter table webhook_endpoints drop column schedule")
    op.execute("alter table webhook_endpoints drop column deleted_at")
    op.execute("alter table webhook_endpoints drop column warned_at")
