"""Workflows: their steps, edges, items and events, and what a job knows of its step."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

COLUMNS = """
alter table jobs
    add column workflow_id uuid,
    add column step_run uuid,
    add column item integer,
    add column is_reported boolean
"""

TABLES = """
create index jobs_workflow on jobs (workflow_id, step_run, item) where workflow_id is not null;
create index jobs_unreported on jobs (workflow_id) where is_reported = false and outcome is not null;

create table workflows (
    id uuid primary key,
    name text not null,
    owner text,
    idempotency_key text,
    state text not null default 'running',
    compensates boolean not null default false,
    deadline timestamptz,
    created_at timestamptz not null default now(),
    finished_at timestamptz,
    error json,
    constraint workflows_state check (state in ('running', 'paused', 'failing', 'cancelling', 'compensating',
                                                'succeeded', 'failed', 'cancelled', 'compensated')),
    constraint workflows_ended check
        ((state in ('succeeded', 'failed', 'cancelled', 'compensated')) = (finished_at is not null))
);
create unique index workflows_key on workflows (coalesce(owner, ''), idempotency_key)
    where idempotency_key is not null;
create index workflows_created on workflows (created_at, id);
create index workflows_ended on workflows (finished_at) where finished_at is not null;
create index workflows_deadline on workflows (deadline) where deadline is not null and finished_at is null;
create index workflows_stopping on workflows (id) where state in ('failing', 'cancelling');

create table workflow_steps (
    id uuid primary key,
    workflow_id uuid not null references workflows (id) on delete cascade,
    number integer not null,
    name text not null,
    kind text not null,
    state text not null,
    join_policy text not null,
    on_failure text not null,
    calls json not null,
    args json not null,
    kwargs json not null,
    takes_result boolean not null,
    spreads boolean not null,
    undoes uuid,
    predecessors integer not null,
    pending integer not null,
    hits integer not null default 0,
    run uuid not null,
    total integer,
    released integer not null default 0,
    ended integer not null default 0,
    failed integer not null default 0,
    max_parallel integer,
    event text,
    seconds double precision,
    until timestamptz,
    due_at timestamptz,
    result json,
    error json,
    started_at timestamptz,
    finished_at timestamptz,
    unique (workflow_id, number),
    constraint workflow_steps_kind check (kind in ('job', 'group', 'map', 'sleep', 'event', 'join')),
    constraint workflow_steps_state check
        (state in ('waiting', 'running', 'succeeded', 'failed', 'cancelled', 'skipped', 'held')),
    constraint workflow_steps_counts check (pending >= 0 and ended <= released and failed <= ended)
) with (fillfactor = 70);
create unique index workflow_steps_run on workflow_steps (run);
create index workflow_steps_live on workflow_steps (workflow_id) where state in ('waiting', 'running');
create index workflow_steps_due on workflow_steps (due_at) where due_at is not null;

create table workflow_edges (
    from_id uuid not null references workflow_steps (id) on delete cascade,
    to_id uuid not null,
    position integer not null,
    primary key (from_id, to_id)
);
create index workflow_edges_to on workflow_edges (to_id, position);

create table workflow_items (
    step_id uuid not null references workflow_steps (id) on delete cascade,
    chunk integer not null,
    items json not null,
    primary key (step_id, chunk)
);

create table workflow_events (
    workflow_id uuid not null references workflows (id) on delete cascade,
    name text not null,
    payload json,
    who text not null,
    received_at timestamptz not null default now(),
    primary key (workflow_id, name)
)
"""


def upgrade() -> None:
    op.execute(COLUMNS)
    for statement in TABLES.split(";"):
        op.execute(statement)


def downgrade() -> None:
    for name in ("events", "items", "edges", "steps"):
        op.drop_table(f"workflow_{name}")
    op.drop_table("workflows")
    op.execute("drop index jobs_workflow")
    op.execute("drop index jobs_unreported")
    op.execute(
        "alter table jobs drop column workflow_id, drop column step_run, drop column item, drop column is_reported"
    )
