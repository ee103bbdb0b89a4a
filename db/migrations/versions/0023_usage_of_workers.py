"""What worker processes use, and which Python and Dramatiq they run."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        alter table workers
            add column memory bigint,
            add column cpu double precision,
            add column python text,
            add column dramatiq text
    """)


def downgrade() -> None:
    op.execute("""
        alter table workers drop column memory, drop column cpu, drop column python, drop column dramatiq
    """)
