"""Webhooks: endpoints, messages, deliveries and their attempts."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLES = """
create table webhook_endpoints (
    id uuid primary key,
    url text not null,
    description text not null,
    event_types text[],
    headers text,
    secrets json not null,
    timeout double precision not null,
    rate double precision,
    ordered boolean not null,
    owner_email text,
    created_at timestamptz not null default now(),
    disabled_at timestamptz,
    disabled_reason text,
    failing_since timestamptz,
    throttled_until timestamptz,
    next_slot_at timestamptz,
    constraint webhook_endpoints_disabled check ((disabled_at is null) = (disabled_reason is null))
) with (fillfactor = 50);

create table webhook_messages (
    id uuid primary key,
    event_type text,
    body bytea not null,
    idempotency_key text,
    created_at timestamptz not null default now()
);
create index webhook_messages_created on webhook_messages (created_at);
create unique index webhook_messages_idempotency on webhook_messages (idempotency_key)
    where idempotency_key is not null;

create table webhook_deliveries (
    id uuid primary key,
    message_id uuid not null references webhook_messages (id) on delete cascade,
    endpoint_id uuid references webhook_endpoints (id) on delete cascade,
    url text,
    sealed text,
    replay_of uuid,
    job_id uuid,
    run integer not null default 0,
    attempts integer not null default 0,
    failures integer not null default 0,
    started_at timestamptz,
    slot_at timestamptz,
    next_attempt_at timestamptz,
    outcome text,
    created_at timestamptz not null default now(),
    ended_at timestamptz,
    constraint webhook_deliveries_target check ((endpoint_id is null) = (url is not null)),
    constraint webhook_deliveries_ended check ((outcome is null) = (ended_at is null)),
    constraint webhook_deliveries_outcome
        check (outcome in ('succeeded', 'exhausted', 'gone', 'aborted', 'skipped', 'cancelled'))
) with (fillfactor = 50);
create index webhook_deliveries_message on webhook_deliveries (message_id);
create index webhook_deliveries_endpoint on webhook_deliveries (endpoint_id, id);
create index webhook_deliveries_live on webhook_deliveries (endpoint_id, id) where outcome is null;
create index webhook_deliveries_failed on webhook_deliveries (id) where outcome is not null and outcome <> 'succeeded';

create table webhook_attempts (
    delivery_id uuid not null references webhook_deliveries (id) on delete cascade,
    number integer not null,
    started_at timestamptz not null,
    ended_at timestamptz not null default now(),
    url text not null,
    request_headers json,
    status integer,
    code text,
    error text,
    response_headers json,
    response_body text,
    truncated boolean not null default false,
    address text,
    timings json,
    next_attempt_at timestamptz,
    primary key (delivery_id, number)
);
"""


def upgrade() -> None:
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    for name in ("attempts", "deliveries", "messages", "endpoints"):
        op.drop_table(f"webhook_{name}")
