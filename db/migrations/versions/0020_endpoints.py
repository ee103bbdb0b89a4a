"""The owner of an endpoint is warned before it is disabled, and what a deleted one leaves goes in pieces."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table webhook_endpoints add column warned_at timestamptz")
    op.execute("alter table webhook_endpoints add column deleted_at timestamptz")


def downgrade() -> None:
    op.execute("delete from webhook_endpoints where deleted_at is not null")
    op.execute("alter table webhook_endpoints drop column deleted_at")
    op.execute("alter table webhook_endpoints drop column warned_at")
