"""The SQL of statistics: what ended is counted once, a stretch of time after the other.

Counting goes up to a few seconds ago, so that what ended then is committed by all means; each stretch is counted in
the transaction that says how far counting has come, which is fenced by the leader's term.
"""

LAG = 5.0  # seconds: no end takes as long from the moment it is dated to its commit
STRETCH = 600.0  # seconds counted in one go, at most
MINUTE, HOUR, DAY = 60, 3_600, 86_400  # seconds: the spans that are counted; days are UTC's
KEEP = {MINUTE: 2.0 * DAY, HOUR: 90.0 * DAY, DAY: 730.0 * DAY}  # seconds for which the counts of a span are kept

# The upper ends of the buckets of waits and runs, in seconds: each half as long again as the one before or so.
BUCKETS = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.5, 5.0, 7.5,
    10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 14_400.0, 86_400.0,
)  # fmt: skip

_EDGES = "array[" + ",".join(map(str, BUCKETS)) + "]::float8[]"


def _histogram(column: str) -> str:
    counts = (f"count(*) filter (where {column} = {bucket})" for bucket in range(len(BUCKETS) + 1))
    return f"array[{', '.join(counts)}]"


def _sum(column: str) -> str:
    """The sums of two arrays, element by element."""
    sums = "(select array_agg(a + b order by i) from unnest(s.COLUMN, excluded.COLUMN) with ordinality u(a, b, i))"
    return sums.replace("COLUMN", column)


# How far counting has come, and how far it may go now; null where nothing has been counted yet: name, lag, stretch.
STRETCH_OF = """
select p.until as since,
       least(now() - make_interval(secs => $2), coalesce(p.until, now() - make_interval(secs => $3)) +
             make_interval(secs => $3)) as until
from (select 1) one left join statistics_progress p on p.name = $1
"""

# Note that it has come so far, if nobody else has meanwhile and this process leads: name, since (or null), until,
# holder, term. No row: somebody else counts.
ADVANCE = """
insert into statistics_progress as p (name, until)
select $1, $3
where exists (select from leases where name = 'scheduling' and holder = $4 and term = $5 and expires_at > now())
on conflict (name) do update set until = excluded.until where p.until = $2
returning name
"""

# Jobs that ended within (since, until]: since, until.
COUNT_JOBS = """
insert into job_statistics as s (span, starts_at, actor, queue, outcome, jobs, retries, waited, ran, waits, runs)
select span, date_bin(make_interval(secs => span), finished_at, timestamptz '2000-01-01 00:00:00+00'),
       actor, queue, outcome, count(*), sum(retries),
       coalesce(sum(waited), 0), coalesce(sum(ran), 0), {wait_histogram}, {run_histogram}
from (
    select *, width_bucket(waited, {edges}) as wait_bucket, width_bucket(ran, {edges}) as run_bucket
    from (
        select actor, queue, outcome, finished_at, greatest(attempt - 1 - releases, 0) as retries,
               greatest(extract(epoch from started_at - run_at)::float8, 0) as waited,
               greatest(extract(epoch from finished_at - started_at)::float8, 0) as ran
        from jobs where outcome = any('{1,2,3}') and finished_at > $1 and finished_at <= $2
    ) timed
) ended, (values (60), (3600), (86400)) spans(span)
group by 1, 2, 3, 4, 5
on conflict (span, starts_at, actor, queue, outcome) do update set
    jobs = s.jobs + excluded.jobs, retries = s.retries + excluded.retries, waited = s.waited + excluded.waited,
    ran = s.ran + excluded.ran, waits = {waits}, runs = {runs}
"""
for _name, _sql in {
    "wait_histogram": _histogram("wait_bucket"), "run_histogram": _histogram("run_bucket"), "edges": _EDGES,
    "waits": _sum("waits"), "runs": _sum("runs"),
}.items():  # fmt: skip
    COUNT_JOBS = COUNT_JOBS.replace("{" + _name + "}", _sql)

# Attempts that failed within (since, until]: since, until.
COUNT_ERRORS = """
with seen as materialized (
    select a.fingerprint, a.error_type, a.pattern, a.job_id, a.attempt, a.ended_at, j.actor
    from job_attempts a join jobs j on j.id = a.job_id
    where a.ended_at > $1 and a.ended_at <= $2
), latest as (
    select distinct on (fingerprint) * from seen order by fingerprint, ended_at desc
), grouped as (
    insert into error_groups as g (fingerprint, error_type, pattern, sample_job, sample_attempt, first_seen_at,
                                   last_seen_at, occurrences)
    select l.fingerprint, l.error_type, l.pattern, l.job_id, l.attempt, c.first, c.last, c.occurrences
    from latest l join (
        select fingerprint, min(ended_at) as first, max(ended_at) as last, count(*) as occurrences
        from seen group by fingerprint
    ) c using (fingerprint)
    on conflict (fingerprint) do update set sample_job = excluded.sample_job, sample_attempt = excluded.sample_attempt,
        last_seen_at = excluded.last_seen_at, occurrences = g.occurrences + excluded.occurrences
)
select fingerprint, date_bin(interval '1 hour', ended_at, timestamptz '2000-01-01 00:00:00+00') as starts_at, actor,
       count(*) as occurrences
from seen group by 1, 2, 3
"""

# What COUNT_ERRORS returned, as arrays: fingerprints, starts, actors, occurrences.
ADD_ERRORS = """
insert into error_statistics as s (fingerprint, starts_at, actor, occurrences)
select * from unnest($1::text[], $2::timestamptz[], $3::text[], $4::bigint[])
on conflict (fingerprint, starts_at, actor) do update set occurrences = s.occurrences + excluded.occurrences
"""

# Counts that are too old to be looked at: span, seconds, most.
DELETE_OLD = """
delete from job_statistics where ctid = any(array(
    select ctid from job_statistics where span = $1 and starts_at < now() - make_interval(secs => $2) limit $3
))
"""

# seconds, most
DELETE_OLD_ERRORS = """
delete from error_statistics where ctid = any(array(
    select ctid from error_statistics where starts_at < now() - make_interval(secs => $1) limit $2
))
"""

# Groups that nobody has seen for that long: seconds, most.
DELETE_OLD_GROUPS = """
delete from error_groups where fingerprint = any(array(
    select fingerprint from error_groups where last_seen_at < now() - make_interval(secs => $1) limit $2
))
"""

# What ended, by minute, hour or day: span, seconds, actor or null, queue or null.
SERIES = """
select starts_at, sum(jobs) filter (where outcome = 1)::bigint as succeeded,
       sum(jobs) filter (where outcome = 2)::bigint as failed,
       sum(jobs) filter (where outcome = 3)::bigint as cancelled, sum(retries)::bigint as retries
from job_statistics
where span = $1 and starts_at >= now() - make_interval(secs => $2)
  and ($3::text is null or actor = $3) and ($4::text is null or queue = $4)
group by starts_at
"""

# The busiest actors: span, seconds, most, actor or null.
ACTORS = """
select actor, sum(jobs)::bigint as jobs, coalesce(sum(jobs) filter (where outcome = 2), 0)::bigint as failed,
       sum(retries)::bigint as retries, sum(ran) as ran, sum(waited) as waited
from job_statistics
where span = $1 and starts_at >= now() - make_interval(secs => $2) and ($4::text is null or actor = $4)
group by actor order by jobs desc limit $3
"""

# What ended of the busiest queues or actors by minute, hour or day, and of all others (null): span, seconds, how many.
_SERIES_BY = """
with counted as materialized (
    select {column} as name, starts_at, sum(jobs)::bigint as jobs from job_statistics
    where span = $1 and starts_at >= now() - make_interval(secs => $2) group by 1, 2
), busiest as (
    select name from counted group by name order by sum(jobs) desc, name limit $3
)
select b.name, c.starts_at, sum(c.jobs)::bigint as jobs
from counted c left join busiest b using (name) group by 1, 2
"""

# What ended by queue or by actor, the busiest first: span, seconds, most.
_TOTALS_BY = """
select {column} as name, coalesce(sum(jobs) filter (where outcome = 1), 0)::bigint as succeeded,
       coalesce(sum(jobs) filter (where outcome = 2), 0)::bigint as failed,
       coalesce(sum(jobs) filter (where outcome = 3), 0)::bigint as cancelled, sum(retries)::bigint as retries
from job_statistics
where span = $1 and starts_at >= now() - make_interval(secs => $2)
group by 1 order by sum(jobs) desc, name limit $3
"""

SERIES_BY = {column: _SERIES_BY.replace("{column}", column) for column in ("queue", "actor")}
TOTALS_BY = {column: _TOTALS_BY.replace("{column}", column) for column in ("queue", "actor")}


def _summed(histogram: str) -> str:
    """The histograms added up, bucket by bucket."""
    return f"array[{', '.join(f'sum({histogram}[{bucket}])::bigint' for bucket in range(1, len(BUCKETS) + 2))}]"


_HISTOGRAMS = """
select {key} as key, {waits} as waits, {runs} as runs
from job_statistics
where span = $1 and starts_at >= now() - make_interval(secs => $2) and outcome in (1, 2)
  and ($3::text is null or actor = $3)
group by 1
""".replace("{waits}", _summed("waits")).replace("{runs}", _summed("runs"))

# How many jobs fell into each bucket of waiting and running: span, seconds, actor or null.
HISTOGRAMS_BY_TIME = _HISTOGRAMS.replace("{key}", "starts_at")
HISTOGRAMS_BY_ACTOR = _HISTOGRAMS.replace("{key}", "actor")
