"""What people see of schedules, for whole pages of them at once."""

# The last runs of each of these, newest first; of a job that has not ended, how it stands now: schedules, most.
LATEST = """
select e.schedule_id, e.planned_at, e.job_id, e.reason, e.times,
       e.triggered_by in ('schedule', 'periodiq') as is_planned,
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
select name, job_type, schedule_config::text as schedule_config, time_zone, anchor_at,
       greatest(start_at, off_until) as begins_at, end_at
from scheduled_jobs
where next_run_at is not null or kind = 'code' and enabled
order by next_run_at nulls last, name
"""

# Another one when what PLANNED returns is another.
PLANNED_KEY = """
select count(*), max(updated_at), sum(version), bit_xor(hashtext(id::text || coalesce(off_until::text, '')))
from scheduled_jobs
where next_run_at is not null or kind = 'code' and enabled
"""

# Others whose next run is in one of these minutes: the minutes' beginnings, a schedule or null, how many names, and how
# many are counted of a minute: however many there are, it looks at no more of each.
COLLIDING = """
select m.minute, o.schedules, o.names
from unnest($1::timestamptz[]) as m(minute)
cross join lateral (
    select count(*)::int as schedules, (array_agg(name order by name))[:$3::int] as names from (
        select name from scheduled_jobs
        where next_run_at >= m.minute and next_run_at < m.minute + interval '1 minute' and id is distinct from $2::uuid
        order by next_run_at limit $4
    ) x
) o
where o.schedules > 0
order by m.minute
"""
