"""Schedules: their kinds, what they can run, themselves with their versions, and their history."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = """
create table scheduler_job_types (
    name text primary key,
    description text not null,
    config_schema json not null,
    example json not null
);

create table task_functions (
    name text primary key,
    module text not null,
    queue text not null,
    priority smallint not null,
    description text not null,
    signature json not null,
    defaults json not null,
    periodic text,
    registered_at timestamptz not null default now(),
    missing_since timestamptz
);

create table scheduled_jobs (
    id uuid primary key,
    name text not null unique,
    description text not null default '',
    kind text not null default 'table',
    task_function text not null,
    job_type text not null,
    schedule_config json not null,
    task_args json not null,
    queue text,
    priority smallint,
    time_zone text not null default 'UTC',
    start_at timestamptz,
    end_at timestamptz,
    jitter double precision not null default 0,
    misfire text not null default 'run_once',
    misfire_max integer not null default 1,
    misfire_grace double precision not null default 5,
    overlap text not null default 'skip',
    repeat integer,
    shadow boolean not null default false,
    enabled boolean not null default true,
    owner text,
    managed_by text not null default 'person',
    version integer not null default 1,
    anchor_at timestamptz not null default now(),
    runs integer not null default 0,
    last_run_at timestamptz,
    next_run_at timestamptz,
    parked_until timestamptz,
    problem text,
    created_at timestamptz not null default now(),
    created_by text not null,
    updated_at timestamptz not null default now(),
    updated_by text not null,
    constraint scheduled_jobs_kind check (kind in ('table', 'code')),
    constraint scheduled_jobs_misfire check (misfire in ('skip', 'run_once', 'catch_up')),
    constraint scheduled_jobs_overlap check (overlap in ('allow', 'skip', 'queue_one', 'cancel_previous')),
    constraint scheduled_jobs_managed check (managed_by in ('person', 'code')),
    constraint scheduled_jobs_numbers
        check (jitter >= 0 and misfire_max >= 1 and misfire_grace >= 0 and repeat >= 1 and version >= 1),
    constraint scheduled_jobs_times check (end_at > start_at),
    constraint scheduled_jobs_planned check (next_run_at is null or enabled and kind = 'table')
) with (fillfactor = 50);
create index scheduled_jobs_due on scheduled_jobs (next_run_at) where next_run_at is not null;

create table scheduled_job_versions (
    schedule_id uuid not null,
    version integer not null,
    name text not null,
    change text not null,
    document json not null,
    changed_at timestamptz not null default now(),
    changed_by text not null,
    primary key (schedule_id, version)
);
create index scheduled_job_versions_name on scheduled_job_versions (name, changed_at);

create table scheduled_job_executions (
    id uuid primary key,
    schedule_id uuid not null,
    schedule text not null,
    planned_at timestamptz not null,
    planned_until timestamptz,
    times integer not null default 1,
    status text not null,
    job_id uuid,
    triggered_by text not null,
    reason text,
    recorded_at timestamptz not null default now(),
    started_at timestamptz,
    ended_at timestamptz,
    result json,
    error json,
    constraint scheduled_job_executions_once unique (schedule_id, planned_at),
    constraint scheduled_job_executions_status
        check (status in ('waiting', 'fired', 'succeeded', 'failed', 'cancelled', 'unknown', 'skipped', 'shadow')),
    constraint scheduled_job_executions_reason check (status <> 'skipped' or reason is not null)
) with (fillfactor = 80);
create index scheduled_job_executions_planned on scheduled_job_executions (planned_at, id);
create index scheduled_job_executions_live on scheduled_job_executions (schedule_id, status)
    where status in ('waiting', 'fired');
create index scheduled_job_executions_unsettled on scheduled_job_executions (id) where status = 'fired';
create index scheduled_job_executions_job on scheduled_job_executions (job_id) where job_id is not null;
"""

LEASES = "alter table leases add column since timestamptz not null default now()"

NAMES = (
    "scheduled_job_executions", "scheduled_job_versions", "scheduled_jobs", "task_functions", "scheduler_job_types",
)  # fmt: skip


def upgrade() -> None:
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
    op.execute(LEASES)


def downgrade() -> None:
    op.execute("alter table leases drop column since")
    for name in NAMES:
        op.drop_table(name)
