"""What is paused stands at the end of its queue, so that nobody who looks for the next due job has to pass it."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table jobs add column resume_at timestamptz")
    op.execute("update jobs set resume_at = run_at, run_at = 'infinity' where outcome is null and state = 'paused'")
    op.execute("alter table jobs add constraint jobs_resume check (resume_at is null or state = 'paused')")


def downgrade() -> None:
    op.execute("update jobs set run_at = coalesce(resume_at, now()) where outcome is null and state = 'paused'")
    op.execute("alter table jobs drop column resume_at")
