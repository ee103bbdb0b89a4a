"""Jobs and their attempts."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table jobs (
            id uuid primary key,
            actor text not null,
            queue text not null,
            args json not null,
            kwargs json not null,
            options json,
            priority smallint not null default 0,
            state text not null default 'queued',
            attempt integer not null default 0,
            max_attempts integer,
            releases integer not null default 0,
            run_at timestamptz not null default now(),
            dispatched_at timestamptz,
            worker uuid,
            created_at timestamptz not null default now(),
            started_at timestamptz,
            finished_at timestamptz,
            outcome smallint,
            unique_key text,
            owner text,
            tags text[],
            result json,
            error json,
            constraint jobs_state check (state in
                ('waiting', 'queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled')),
            constraint jobs_worker check (case state
                when 'running' then worker is not null
                when 'waiting' then worker is null
                when 'queued' then worker is null
                when 'paused' then worker is null
                else true end),
            constraint jobs_ended check ((state in ('succeeded', 'failed', 'cancelled')) = (finished_at is not null)
                and outcome is not distinct from
                    case state when 'succeeded' then 1 when 'failed' then 2 when 'cancelled' then 3 end),
            constraint jobs_attempt check (attempt >= 0)
        ) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05)
        """
    )
    op.execute("create index jobs_live on jobs (queue, priority, run_at) where outcome is null")
    op.execute("create index jobs_ended on jobs (outcome, finished_at) where outcome is not null")
    op.execute("create index jobs_actor on jobs (actor, created_at)")
    op.execute("create index jobs_created on jobs (created_at)")
    op.execute("create unique index jobs_unique on jobs (unique_key) where unique_key is not null and outcome is null")
    op.execute(
        """
        create table job_attempts (
            job_id uuid not null references jobs (id) on delete cascade,
            attempt integer not null,
            worker uuid not null,
            started_at timestamptz not null,
            ended_at timestamptz not null default now(),
            error_type text not null,
            error_message text not null,
            traceback text not null,
            primary key (job_id, attempt)
        )
        """
    )


def downgrade() -> None:
    op.drop_table("job_attempts")
    op.drop_table("jobs")
