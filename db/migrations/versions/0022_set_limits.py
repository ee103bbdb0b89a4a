"""Limits that people have set otherwise than the code declares them."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        alter table limits
            add column declared_concurrency integer,
            add column declared_rate integer,
            add column declared_per double precision,
            add column set_by text,
            add column set_at timestamptz,
            add column set_reason text,
            add constraint limits_set_check check (
                (set_by is null) = (set_at is null) and (set_by is null) = (set_reason is null)
                and (set_by is not null or coalesce(declared_concurrency, declared_rate, declared_per) is null)
            )
    """)


def downgrade() -> None:
    op.execute("""
        update limits set concurrency = declared_concurrency, rate = declared_rate, per = declared_per
        where set_by is not null
    """)
    op.execute("""
        alter table limits drop constraint limits_set_check,
            drop column declared_concurrency, drop column declared_rate, drop column declared_per,
            drop column set_by, drop column set_at, drop column set_reason
    """)
