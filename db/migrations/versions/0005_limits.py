"""Limits: a log of starts instead of tokens, when to look again; the end of unique windows."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

CHANGES = """
alter table jobs drop column limit_key;

alter table limits drop column tokens, drop column refilled_at,
    add column used_at timestamptz not null default now(),
    add column due_at timestamptz;
create index limits_due on limits (due_at) where due_at is not null;

create table limit_starts (
    key text not null,
    started_at timestamptz not null,
    jobs integer not null,
    primary key (key, started_at)
);

create index unique_windows_until on unique_windows (until)
"""

BACK = """
alter table jobs add column limit_key text;
drop index limits_due;
alter table limits drop column used_at, drop column due_at,
    add column tokens double precision not null default 0,
    add column refilled_at timestamptz not null default now();
drop table limit_starts;
drop index unique_windows_until
"""


def upgrade() -> None:
    for statement in CHANGES.split(";"):
        op.execute(statement)


def downgrade() -> None:
    for statement in BACK.split(";"):
        op.execute(statement)
