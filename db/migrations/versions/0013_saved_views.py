"""Searches of the job list that people have given names."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table saved_views (
            user_id uuid not null references users (id) on delete cascade,
            name text not null,
            query text not null,
            saved_at timestamptz not null default now(),
            primary key (user_id, name),
            constraint saved_views_lengths check (length(name) between 1 and 100 and length(query) <= 1000)
        )
        """
    )


def downgrade() -> None:
    op.execute("drop table saved_views")
