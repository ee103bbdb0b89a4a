"""The SQL of health: what is measured, what was found, and whether people were told."""

# Does somebody lead the scheduling? How many connections are there, of how many?
MEASURE = """
select exists (select from leases where name = 'scheduling' and expires_at > now()) as leads,
       (select count(*) from pg_stat_activity where backend_type = 'client backend') as connections,
       current_setting('max_connections')::int as most_connections
"""

# status, reasons, measures. People are told of `critical` at once, of better when two checks in a row say so: a value
# about its threshold is no news every minute. `previous` is set if this check changes what they know; before the first
# one all was healthy.
RECORD = """
insert into health_checks (status, reasons, measures, told, previous)
select $1::text, $2::json, $3::json, n.told, nullif(n.previous, n.told)
from (
    select coalesce(l.told, l.status, 'healthy') as previous,
           case when $1::text in ('critical', coalesce(l.status, 'healthy')) then $1::text
                else coalesce(l.told, l.status, 'healthy') end as told
    from (select) as one left join (select status, told from health_checks order by id desc limit 1) l on true
) n
returning id, previous
"""

# The checks have stopped coming: seconds without one, holder and term of the leader. Where there never was one,
# nobody wants them.
RECORD_SILENCE = """
insert into health_checks (status, reasons, measures, told, previous)
select 'critical', json_build_array('The last health check was made at '
           || to_char(l.checked_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')
           || ' UTC: no worker takes jobs from the queue "maintenance", or no clock (periodiq) runs.'),
       '{}'::json, 'critical', nullif(coalesce(l.told, l.status), 'critical')
from (select status, told, checked_at from health_checks order by id desc limit 1) l
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
