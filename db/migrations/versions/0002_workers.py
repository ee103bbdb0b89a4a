"""Worker processes and leadership."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table workers (
            id uuid primary key,
            host text not null,
            pid integer not null,
            process text not null,
            queues text[] not null,
            async_slots integer not null,
            threads integer not null,
            version text not null,
            started_at timestamptz not null default now(),
            heartbeat_at timestamptz not null default now()
        ) with (fillfactor = 50)
        """
    )
    op.execute(
        """
        create table leases (
            name text primary key,
            holder uuid not null,
            term bigint not null,
            expires_at timestamptz not null
        ) with (fillfactor = 50)
        """
    )


def downgrade() -> None:
    op.drop_table("leases")
    op.drop_table("workers")
