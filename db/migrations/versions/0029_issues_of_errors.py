"""Where people work on a group of errors: an issue of theirs, elsewhere."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        alter table error_groups
            add column issue_url text,
            add column issue_at timestamptz,
            add column issue_by text
    """)


def downgrade() -> None:
    op.execute("alter table error_groups drop column issue_url, drop column issue_at, drop column issue_by")
