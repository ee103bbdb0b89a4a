"""The SQL of what may be meant by who types a search: from catalogues and along indexes, never from all jobs."""

# Owners from that one on, a step along the index for each: from, most.
OWNERS = """
with recursive steps as (
    (select owner from jobs where owner >= $1 order by owner limit 1)
    union all
    select (select j.owner from jobs j where j.owner > s.owner order by j.owner limit 1) from steps s
    where s.owner is not null
)
select owner as value, '' as hint from steps where owner is not null limit $2
"""

# Actors that have registered, or whose jobs have been counted: text, most.
ACTORS = """
with recursive counted as (
    (select actor from job_statistics order by actor limit 1)
    union all
    select (select j.actor from job_statistics j where j.actor > c.actor order by j.actor limit 1) from counted c
    where c.actor is not null
)
select value, max(hint) as hint from (
    select name as value, split_part(description, chr(10), 1) as hint from task_functions
    union all
    select actor, '' from (select actor from counted where actor is not null limit 1000) c
) known
where position(lower($1) in lower(value)) > 0 group by value
order by not starts_with(lower(value), lower($1)), value limit $2
"""

# Queues that actors have registered for, workers take from, or that are paused: text, most.
QUEUES = """
select value, '' as hint from (
    select queue as value from task_functions
    union select unnest(queues) from workers
    union select name from pauses where kind = 'queue'
) known
where position(lower($1) in lower(value)) > 0
order by not starts_with(lower(value), lower($1)), value limit $2
"""

# Tags that PostgreSQL has counted as common, and those of the newest jobs: text, most.
TAGS = """
select value, '' as hint from (
    select unnest(most_common_elems::text::text[]) as value from pg_stats
    where schemaname = current_schema() and tablename = 'jobs' and attname = 'tags'
    union
    select unnest(tags) from (select tags from jobs order by created_at desc limit 500) newest
) known
where position(lower($1) in lower(value)) > 0
order by not starts_with(lower(value), lower($1)), value limit $2
"""

# Classes of errors, of the groups seen last: text, most.
ERROR_TYPES = """
select error_type as value, '' as hint
from (select error_type from error_groups order by last_seen_at desc limit 1000) seen
where position(lower($1) in lower(error_type)) > 0 group by error_type
order by not starts_with(lower(error_type), lower($1)), error_type limit $2
"""

# Groups of errors, the one seen last first: start, most.
ERROR_GROUPS = """
select fingerprint as value, error_type || ': ' || pattern as hint
from (select * from error_groups order by last_seen_at desc limit 1000) seen
where starts_with(fingerprint, $1) or position(lower($1) in lower(error_type)) > 0
order by last_seen_at desc limit $2
"""

# text, most
SCHEDULES = """
select id::text as value, name as hint from scheduled_jobs
where position(lower($1) in lower(name)) > 0 or starts_with(id::text, $1) order by name limit $2
"""

# The newest of the workflows: text, most.
WORKFLOWS = """
select id::text as value, name || ', ' || state as hint
from (select * from workflows order by created_at desc limit 500) newest
where position(lower($1) in lower(name)) > 0 or starts_with(id::text, $1) order by created_at desc limit $2
"""

# text, most
WORKERS = """
select id::text as value, host || ', ' || pid as hint from workers
where position(lower($1) in lower(host)) > 0 or starts_with(id::text, $1) order by host, pid limit $2
"""
