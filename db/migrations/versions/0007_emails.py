"""E-mails, what became of them, and who gets none."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = """
create table emails (
    id uuid primary key,
    job_id uuid not null,
    idempotency_key text,
    status text not null default 'queued' check (status in
        ('queued', 'sending', 'sent', 'delivered', 'deferred', 'opened', 'clicked', 'rejected', 'bounced',
         'unsubscribed', 'complained', 'unknown', 'suppressed', 'failed', 'cancelled')),
    policy text not null check (policy in ('at_most_once', 'at_least_once')),
    providers text[],
    mailing_list text,
    tags text[],
    addresses text[] not null,
    content json,
    subject text not null,
    template text,
    attempts integer not null default 0,
    run integer,
    provider text,
    provider_id text,
    accepted text[] not null default '{}',
    refused json,
    suppressed text[],
    error text,
    created_at timestamptz not null default now(),
    claimed_at timestamptz,
    sent_at timestamptz,
    updated_at timestamptz not null default now()
) with (fillfactor = 70);
create unique index emails_idempotency_key on emails (idempotency_key) where idempotency_key is not null;
create index emails_job on emails (job_id);
create index emails_provider_id on emails (provider_id) where provider_id is not null;
create index emails_created on emails (created_at, id);
create index emails_content on emails (created_at) where content is not null;
create index emails_status on emails (status, created_at) where status not in ('queued', 'sending', 'sent');
create index emails_addresses on emails using gin (addresses);

create table email_events (
    id bigint generated always as identity primary key,
    provider text not null,
    event_id text not null,
    recipient text not null,
    email_id uuid references emails (id) on delete cascade,
    type text not null,
    occurred_at timestamptz not null,
    recorded_at timestamptz not null default now(),
    reason text,
    description text,
    details json,
    constraint email_events_once unique (provider, event_id, recipient)
);
create index email_events_email on email_events (email_id, occurred_at);
create index email_events_recorded on email_events (recorded_at);

create table suppressions (
    address text not null,
    reason text not null check (reason in ('hard_bounce', 'complaint', 'unsubscribe', 'manual')),
    mailing_list text not null default '',
    email_id uuid,
    note text,
    added_by text,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    primary key (address, reason, mailing_list)
);
create index suppressions_created on suppressions (created_at, address);

create table alerts (
    key text primary key,
    level text not null check (level in ('info', 'warning', 'error', 'critical')),
    title text not null,
    sent_at timestamptz not null default now(),
    last_at timestamptz not null default now(),
    held_back integer not null default 0
);
create index alerts_last on alerts (last_at);
"""


def upgrade() -> None:
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    for name in ("alerts", "suppressions", "email_events", "emails"):
        op.drop_table(name)
