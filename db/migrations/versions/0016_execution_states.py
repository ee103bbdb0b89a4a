"""Runs of schedules are found by how they ended, and those that wait without a look at those that go."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


INDEXES = """
create index scheduled_job_executions_status on scheduled_job_executions (status, planned_at, id)
    where status not in ('waiting', 'fired', 'succeeded');
create index scheduled_job_executions_waiting on scheduled_job_executions (planned_at) where status = 'waiting'
"""


def upgrade() -> None:
    for statement in INDEXES.split(";"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop index scheduled_job_executions_waiting")
    op.execute("drop index scheduled_job_executions_status")
