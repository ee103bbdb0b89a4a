"""Progress and logs go with their job, however that is deleted; a line of either needs no look at the job's row."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

FUNCTION = """
create function forget_what_jobs_told() returns trigger language plpgsql as $$
begin
    delete from job_progress where job_id = any(array(select id from gone));
    delete from job_logs where job_id = any(array(select id from gone));
    return null;
end $$
"""

# One call for all rows of a statement.
TRIGGER = """
create trigger jobs_deleted after delete on jobs referencing old table as gone
for each statement execute function forget_what_jobs_told()
"""


def upgrade() -> None:
    op.execute("alter table job_progress drop constraint job_progress_job_id_fkey")
    op.execute(FUNCTION)
    op.execute(TRIGGER)


def downgrade() -> None:
    op.execute("drop trigger jobs_deleted on jobs")
    op.execute("drop function forget_what_jobs_told")
    op.execute("delete from job_progress where job_id not in (select id from jobs)")
    op.execute(
        "alter table job_progress add constraint job_progress_job_id_fkey"
        " foreign key (job_id) references jobs (id) on delete cascade"
    )
