"""Which job has started a workflow."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table workflows add column parent_id uuid")


def downgrade() -> None:
    op.execute("alter table workflows drop column parent_id")
