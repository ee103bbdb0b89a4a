"""What callers of the API send beside a job: metadata, idempotency keys. The audit by who, action and target."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLES = """
create table job_metadata (
    job_id uuid primary key references jobs (id) on delete cascade,
    data json not null
);

create table idempotency_keys (
    caller text not null,
    key text not null,
    fingerprint bytea not null,
    answer json,
    created_at timestamptz not null default now(),
    primary key (caller, key)
);
create index idempotency_keys_created on idempotency_keys (created_at);

create index audit_who on audit (who, id);
create index audit_action on audit (action, id);
create index audit_target on audit (target, id) where target is not null;
"""


def upgrade() -> None:
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    for name in ("who", "action", "target"):
        op.execute(f"drop index audit_{name}")
    for name in ("idempotency_keys", "job_metadata"):
        op.drop_table(name)
