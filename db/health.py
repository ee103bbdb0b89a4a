"""The SQL of health: what is measured, what was found, and whether people were told."""

# Does somebody lead the scheduling? How many connections are there, of how many?
MEASURE = """
select exists (select from leases where name = 'scheduling' and expires_at > now()) as leads,
       (select count(*) from pg_stat_activity where backend_type = 'client backend') as connections,
       current_setting('max_connections')::int as most_connections
"""

# status, reasons, measures. `previous` is set if that changes something; before the first check all was healthy.
RECORD = """
insert into health_checks (status, reasons, measures, previous)
select $1::text, $2::json, $3::json,
       nullif(coalesce((select status from health_checks order by id desc limit 1), 'healthy'), $1::text)
returning id, previous
"""

# The checks have stopped coming: seconds without one, holder and term of the leader. Where there never was one,
# nobody wants them.
RECORD_SILENCE = """
insert into health_checks (status, reasons, measures, previous)
select 'critical', json_build_array('The last health check was made at '
           || to_char(l.checked_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')
           || ' UTC: no worker takes jobs from the queue "maintenance", or no clock (periodiq) runs.'),
       '{}'::json, nullif(l.status, 'critical')
from (select status, checked_at from health_checks order by id desc limit 1) l
where l.checked_at < now() - make_interval(secs => $1)
  and exists (select from leases where name = 'scheduling' and holder = $2 and term = $3 and expires_at > now())
"""

# Take a change of which nobody was told, the earliest first.
TAKE_CHANGE = """
update health_checks set alerted_at = now() where id = (
    select id from health_checks where previous is not null and alerted_at is null
    order by id limit 1 for update skip locked
)
returning id, status, previous, reasons, checked_at
"""

# seconds, most
DELETE_OLD = """
delete from health_checks where id = any(array(
    select id from health_checks where checked_at < now() - make_interval(secs => $1) order by checked_at limit $2
))
"""
