"""What people see of schedules, for whole pages of them at once."""

# The last runs of each of these, newest first; of a job that has not ended, how it stands now: schedules, most.
LATEST = """
select e.schedule_id, e.planned_at, e.job_id, e.reason, e.times,
       case when e.status = 'fired' then coalesce(j.state, 'unknown') else e.status end as status,
       case when e.status = 'fired' then j.started_at else e.started_at end as started_at,
       case when e.status = 'fired' then j.finished_at else e.ended_at end as ended_at
from unnest($1::uuid[]) as s(id)
cross join lateral (
    select * from scheduled_job_executions x where x.schedule_id = s.id order by x.planned_at desc limit $2
) e
left join jobs j on e.status = 'fired' and j.id = e.job_id
order by e.schedule_id, e.planned_at desc
"""

# Those that run by themselves, the next ones first; those that periodiq triggers at the end.
PLANNED = """
select name, job_type, schedule_config::text as schedule_config, time_zone, anchor_at, end_at
from scheduled_jobs
where next_run_at is not null or kind = 'code' and enabled
order by next_run_at nulls last, name
"""

# Another one when what PLANNED returns is another.
PLANNED_KEY = """
select count(*), max(updated_at), sum(version), bit_xor(hashtext(id::text))
from scheduled_jobs
where next_run_at is not null or kind = 'code' and enabled
"""
