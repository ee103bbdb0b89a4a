"""The SQL of errors as groups: those that differ in nothing but values."""

# Groups seen within some hours, the most frequent first: hours, actor or null, "open", "muted", "resolved" or "all",
# text or null, most.
GROUPS = """
select g.fingerprint, g.error_type, g.pattern, g.first_seen_at, g.last_seen_at, g.occurrences as total, s.occurrences,
       s.actors, g.muted_at, g.resolved_at, g.issue_url,
       case when g.muted_at is not null then 'muted'
            when g.resolved_at is null and g.first_seen_at > now() - interval '1 day' then 'new'
            when g.resolved_at is null then 'ongoing'
            when g.last_seen_at > g.resolved_at then 'returned' else 'resolved' end as state
from (
    select fingerprint, sum(occurrences)::bigint as occurrences, array_agg(distinct actor) as actors
    from error_statistics
    where starts_at > now() - make_interval(secs => $1 * 3600 + 3600) and ($2::text is null or actor = $2)
    group by fingerprint
) s join error_groups g using (fingerprint)
where case $3 when 'open' then g.muted_at is null and (g.resolved_at is null or g.last_seen_at > g.resolved_at)
              when 'muted' then g.muted_at is not null
              when 'resolved' then g.resolved_at is not null and g.last_seen_at <= g.resolved_at else true end
  and ($4::text is null or position(lower($4) in lower(g.error_type || ' ' || g.pattern)) > 0)
order by s.occurrences desc, g.last_seen_at desc limit $5
"""

# How often groups were seen, by hour: fingerprints, hours.
TRENDS = """
select fingerprint, starts_at, sum(occurrences)::bigint as occurrences from error_statistics
where fingerprint = any($1::text[]) and starts_at > now() - make_interval(secs => $2 * 3600)
group by fingerprint, starts_at
"""

# By actor: fingerprint, hours.
ACTORS = """
select actor, sum(occurrences)::bigint as occurrences from error_statistics
where fingerprint = $1 and starts_at > now() - make_interval(secs => $2 * 3600 + 3600)
group by actor order by 2 desc limit 20
"""

# By worker, of the latest attempts that failed so: fingerprint, how many of those, how many workers. Of a worker that
# has gone only the id is known.
WORKERS = """
select a.worker as id, w.host, w.pid, w.version, count(*) as occurrences
from (select worker from job_attempts where fingerprint = $1 order by ended_at desc limit $2) a
left join workers w on w.id = a.worker
group by a.worker, w.host, w.pid, w.version order by occurrences desc, a.worker limit $3
"""

# The latest attempts that failed so: fingerprint, most.
LATEST = """
select a.job_id, a.attempt, a.ended_at, a.error_message, j.actor, j.queue, j.state
from job_attempts a join jobs j on j.id = a.job_id
where a.fingerprint = $1 order by a.ended_at desc limit $2
"""

# Nobody wants to be told of it, or does again: fingerprint, who or null.
MUTE = """
update error_groups set muted_at = case when $2::text is not null then now() end, muted_by = $2 where fingerprint = $1
returning fingerprint
"""

# It is done with, until it is seen again; or it is not after all: fingerprint, who or null.
RESOLVE = """
update error_groups set resolved_at = case when $2::text is not null then now() end, resolved_by = $2
where fingerprint = $1 returning fingerprint
"""

# People work on it there, or do not any more: fingerprint, URL or null, who. Returns the URL that it had.
LINK = """
update error_groups g set issue_url = $2, issue_at = case when $2::text is not null then now() end,
                          issue_by = case when $2::text is not null then $3::text end
from (select fingerprint, issue_url from error_groups where fingerprint = $1 for update) was
where g.fingerprint = was.fingerprint returning was.issue_url as before
"""
