"""Which releases workers have run, and since when."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        create table releases (
            version text primary key,
            first_seen_at timestamptz not null default now()
        )
    """)


def downgrade() -> None:
    op.execute("drop table releases")
