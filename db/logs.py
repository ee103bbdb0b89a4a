"""The SQL of what jobs log. A line is known by job, attempt and number: writing it again changes nothing."""

# Lines: ids, attempts, numbers, levels, how many seconds ago, messages, fields as JSON. Not fenced: an attempt belongs
# to one run for ever, and what a run that was given up had to say is worth reading. Those of deleted jobs are dropped.
WRITE = """
insert into job_logs (job_id, attempt, line, level, logged_at, message, fields)
select l.id, l.attempt, l.line, l.level, now() - make_interval(secs => l.age), l.message, l.fields::json
from unnest($1::uuid[], $2::int[], $3::int[], $4::smallint[], $5::float8[], $6::text[], $7::text[])
     as l(id, attempt, line, level, age, message, fields)
where exists (select from jobs where jobs.id = l.id)
on conflict do nothing
"""

# When a job begins to log in another attempt, of all the earlier ones together only the newest lines stay: ids,
# attempts, lines that stay, bytes that stay.
TRIM = """
delete from job_logs d
using (
    select l.job_id, l.attempt, l.line, count(*) over newest as lines,
           sum(octet_length(l.message) + coalesce(octet_length(l.fields::text), 0)) over newest as bytes
    from unnest($1::uuid[], $2::int[]) as r(id, attempt)
    join job_logs l on l.job_id = r.id and l.attempt < r.attempt
    window newest as (partition by l.job_id order by l.attempt desc, l.line desc)
) old
where d.job_id = old.job_id and d.attempt = old.attempt and d.line = old.line and (old.lines > $3 or old.bytes > $4)
"""
