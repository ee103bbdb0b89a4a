"""Statistics of ended jobs by minute and hour, and groups of errors that are the same but for their values."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# What differs between two occurrences of one error: addresses, ids, quoted texts, numbers.
FUNCTIONS = """
create function error_pattern(message text) returns text language sql immutable parallel safe return
    left(
        regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(
            split_part(message, chr(10), 1),
            '[[:alnum:]._%+-]+@[[:alnum:].-]+', '<address>', 'g'),
            '[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}', '<id>', 'g'),
            '''[^'']*''|"[^"]*"', '<text>', 'g'),
            '0x[0-9a-fA-F]+|\\y[0-9a-fA-F]{12,}\\y', '<hex>', 'g'),
            '[0-9]+([.,:][0-9]+)*', '<n>', 'g'),
        500)
"""

TABLES = """
alter table job_attempts
    add column pattern text not null generated always as (error_pattern(error_message)) stored,
    add column fingerprint text not null
        generated always as (md5(error_type || chr(10) || error_pattern(error_message))) stored;
create index job_attempts_ended on job_attempts (ended_at);
create index job_attempts_fingerprint on job_attempts (fingerprint, ended_at);

create table job_statistics (
    span integer not null,
    starts_at timestamptz not null,
    actor text not null,
    queue text not null,
    outcome smallint not null,
    jobs bigint not null,
    retries bigint not null,
    waited double precision not null,
    ran double precision not null,
    waits bigint[] not null,
    runs bigint[] not null,
    primary key (span, starts_at, actor, queue, outcome)
) with (fillfactor = 70);
create index job_statistics_actor on job_statistics (actor, span, starts_at);

create table error_groups (
    fingerprint text primary key,
    error_type text not null,
    pattern text not null,
    sample_job uuid not null,
    sample_attempt integer not null,
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    occurrences bigint not null,
    muted_at timestamptz,
    muted_by text,
    resolved_at timestamptz,
    resolved_by text
) with (fillfactor = 70);
create index error_groups_seen on error_groups (last_seen_at);

create table error_statistics (
    fingerprint text not null references error_groups (fingerprint) on delete cascade,
    starts_at timestamptz not null,
    actor text not null,
    occurrences bigint not null,
    primary key (fingerprint, starts_at, actor)
) with (fillfactor = 70);
create index error_statistics_starts on error_statistics (starts_at);

create table statistics_progress (
    name text primary key,
    until timestamptz not null
)
"""


def upgrade() -> None:
    op.execute(FUNCTIONS)
    for statement in TABLES.split(";"):
        op.execute(statement)


def downgrade() -> None:
    for name in ("statistics_progress", "error_statistics", "error_groups", "job_statistics"):
        op.drop_table(name)
    op.execute("alter table job_attempts drop column fingerprint, drop column pattern")
    op.execute("drop index job_attempts_ended")
    op.execute("drop function error_pattern(text)")
