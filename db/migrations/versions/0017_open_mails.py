"""Mails that are not settled are found without the others, and a check of health knows what people were told."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create index emails_open on emails (id) where status in ('queued', 'sending')")
    op.execute("alter table health_checks add column told text")


def downgrade() -> None:
    op.execute("alter table health_checks drop column told")
    op.execute("drop index emails_open")
