"""Schedules that are off for a while, and who has turned them off, and why."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

COLUMNS = ("off_until timestamptz", "off_by text", "off_reason text")


def upgrade() -> None:
    for column in COLUMNS:
        op.execute(f"alter table scheduled_jobs add column {column}")
    op.execute(
        "alter table scheduled_jobs add constraint scheduled_jobs_off check"
        " ((off_until is null or enabled and kind = 'table' and off_by is not null)"
        " and (off_by is null or not enabled or off_until is not null) and (off_reason is null or off_by is not null))"
    )
    op.execute("create index scheduled_jobs_off on scheduled_jobs (off_until) where off_until is not null")


def downgrade() -> None:
    """What was off for a while goes on when it would have: its next run is planned for then."""
    op.execute("drop index scheduled_jobs_off")
    op.execute("alter table scheduled_jobs drop constraint scheduled_jobs_off")
    for column in COLUMNS:
        op.execute(f"alter table scheduled_jobs drop column {column.split()[0]}")
