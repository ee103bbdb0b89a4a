"""Job control: progress, checkpoints, steps, logs, pauses, limits, audit."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COLUMNS = """
alter table jobs
    add column parent_id uuid,
    add column expires_at timestamptz,
    add column control text,
    add column control_reason text,
    add column blocked_by text,
    add column limit_key text,
    add column unique_until_start boolean,
    add constraint jobs_control check (control is null or control in ('cancel', 'pause') and state = 'running'),
    add constraint jobs_blocked check (blocked_by is null or state = 'waiting')
"""

INDEXES = """
create index jobs_parent on jobs (parent_id) where parent_id is not null;
create index jobs_expiry on jobs (expires_at) where expires_at is not null and outcome is null;
create index jobs_controlled on jobs (id) where control is not null and outcome is null;
create index jobs_waiting on jobs (blocked_by, priority, id) where blocked_by is not null;
create index jobs_owner on jobs (owner, created_at) where owner is not null;
create index jobs_tags on jobs using gin (tags) where tags is not null;
create index jobs_error on jobs ((error->>'type'), finished_at) where outcome = 2;
"""

TABLES = """
create table job_progress (
    job_id uuid primary key references jobs (id) on delete cascade,
    attempt integer not null,
    current double precision not null,
    total double precision,
    message text,
    extra json,
    started_current double precision not null,
    started_at timestamptz not null,
    updated_at timestamptz not null default now()
) with (fillfactor = 50);

create table job_checkpoints (
    job_id uuid primary key references jobs (id) on delete cascade,
    attempt integer not null,
    data json not null,
    saved_at timestamptz not null default now()
) with (fillfactor = 50);

create table job_steps (
    job_id uuid not null references jobs (id) on delete cascade,
    name text not null,
    attempt integer not null,
    result json,
    done_at timestamptz not null default now(),
    primary key (job_id, name)
);

create table job_logs (
    job_id uuid not null,
    attempt integer not null,
    line integer not null,
    level smallint not null,
    logged_at timestamptz not null,
    message text not null,
    fields json,
    primary key (job_id, attempt, line)
);

create table pauses (
    kind text not null check (kind in ('queue', 'actor')),
    name text not null,
    reason text not null,
    paused_by text not null,
    paused_at timestamptz not null default now(),
    primary key (kind, name)
);

create table limits (
    key text primary key,
    concurrency integer,
    rate integer,
    per double precision,
    tokens double precision not null default 0,
    refilled_at timestamptz not null default now()
) with (fillfactor = 50);

create table limit_grants (
    job_id uuid primary key,
    key text not null,
    attempt integer not null,
    granted_at timestamptz not null default now()
);
create index limit_grants_key on limit_grants (key);

create table unique_windows (
    key text primary key,
    job_id uuid not null,
    until timestamptz not null
);

create table audit (
    id bigint generated always as identity primary key,
    done_at timestamptz not null default now(),
    who text not null,
    action text not null,
    job_id uuid,
    target text,
    reason text,
    details json
);
create index audit_job on audit (job_id) where job_id is not null;
create index audit_done on audit (done_at);
"""

NAMES = (
    "audit",
    "unique_windows",
    "limit_grants",
    "limits",
    "pauses",
    "job_logs",
    "job_steps",
    "job_checkpoints",
    "job_progress",
)


def upgrade() -> None:
    op.execute(COLUMNS)
    for statement in (INDEXES + TABLES).split(";"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    for name in NAMES:
        op.drop_table(name)
    for name in ("parent", "expiry", "controlled", "waiting", "owner", "tags", "error"):
        op.execute(f"drop index jobs_{name}")
    op.execute(
        """
        alter table jobs drop column parent_id, drop column expires_at, drop column control,
            drop column control_reason, drop column blocked_by, drop column limit_key, drop column unique_until_start
        """
    )
