"""A mail whose provider refuses our login, key or account waits, and for how long is known."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table emails add column held_since timestamptz")
    op.execute("create index emails_held on emails (held_since) where held_since is not null")


def downgrade() -> None:
    op.execute("drop index emails_held")
    op.execute("alter table emails drop column held_since")
