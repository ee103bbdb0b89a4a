"""Housekeeping: tokens, desktop sessions, deployments, a directory's users, health."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TABLES = """
create table access_tokens (
    id uuid primary key,
    token_hash bytea not null,
    user_name text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    revoked_at timestamptz,
    last_used_at timestamptz
) with (fillfactor = 80);
create unique index access_tokens_hash on access_tokens (token_hash);
create index access_tokens_user on access_tokens (user_name);
create index access_tokens_expires on access_tokens (expires_at);
create index access_tokens_revoked on access_tokens (revoked_at) where revoked_at is not null;

create table desktop_sessions (
    id uuid primary key,
    user_name text not null,
    host text not null,
    started_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    status text not null default 'active',
    ended_at timestamptz,
    ended_reason text,
    constraint desktop_sessions_status check (status in ('active', 'inactive')),
    constraint desktop_sessions_ended check
        ((status = 'inactive') = (ended_at is not null) and (ended_at is null) = (ended_reason is null))
) with (fillfactor = 70);
create index desktop_sessions_seen on desktop_sessions (last_seen_at) where status = 'active';
create index desktop_sessions_user on desktop_sessions (user_name, started_at);

create table deployment_jobs (
    id uuid primary key,
    name text not null,
    status text not null default 'pending',
    created_at timestamptz not null default now(),
    started_at timestamptz,
    updated_at timestamptz not null default now(),
    finished_at timestamptz,
    reason text,
    constraint deployment_jobs_status check (status in ('pending', 'running', 'succeeded', 'failed')),
    constraint deployment_jobs_ended check ((status in ('succeeded', 'failed')) = (finished_at is not null)),
    constraint deployment_jobs_started check (status <> 'running' or started_at is not null),
    constraint deployment_jobs_reason check (status <> 'failed' or reason is not null)
) with (fillfactor = 70);
create index deployment_jobs_live on deployment_jobs (status, updated_at) where status in ('pending', 'running');

create table domain_users (
    object_guid uuid primary key,
    account_name text not null,
    mail text,
    display_name text,
    enabled boolean not null,
    synced_at timestamptz not null default now()
);
create index domain_users_account on domain_users (lower(account_name));

create table health_checks (
    id bigint generated always as identity primary key,
    status text not null,
    reasons json not null,
    measures json not null,
    checked_at timestamptz not null default now(),
    previous text,
    alerted_at timestamptz,
    constraint health_checks_status check (status in ('healthy', 'warning', 'critical'))
);
create index health_checks_checked on health_checks (checked_at);
create index health_checks_unsaid on health_checks (id) where previous is not null and alerted_at is null;
"""


def upgrade() -> None:
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    for name in ("health_checks", "domain_users", "deployment_jobs", "desktop_sessions", "access_tokens"):
        op.drop_table(name)
