"""Accounts: users, their sessions, API keys, login attempts."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLES = """
create table users (
    id uuid primary key,
    name text not null unique,
    role text not null,
    password_hash text,
    oidc_subject text unique,
    disabled_at timestamptz,
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now(),
    last_login_at timestamptz,
    constraint users_role check (role in ('viewer', 'operator', 'admin'))
);

create table user_sessions (
    token_hash bytea primary key,
    user_id uuid not null references users (id) on delete cascade,
    address text,
    browser text,
    created_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    expires_at timestamptz not null
);
create index user_sessions_user on user_sessions (user_id);
create index user_sessions_expiry on user_sessions (expires_at);

create table api_keys (
    id uuid primary key,
    name text not null unique,
    prefix text not null unique,
    key_hash bytea not null,
    previous_hash bytea,
    previous_until timestamptz,
    scopes text[] not null,
    queues text[],
    actors text[],
    created_by text not null,
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now(),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    constraint api_keys_scopes
        check (cardinality(scopes) > 0 and scopes <@ array['read', 'enqueue', 'operate', 'admin', 'metrics'])
);

create table login_attempts (
    key text primary key,
    attempts integer not null default 1,
    since timestamptz not null default now()
);
create index login_attempts_since on login_attempts (since);
"""

NAMES = ("login_attempts", "api_keys", "user_sessions", "users")


def upgrade() -> None:
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    for name in NAMES:
        op.drop_table(name)
