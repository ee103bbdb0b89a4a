"""The SQL of worker processes and their leases.

A worker process has a row as long as it is believed to live, and only who has a row can claim: a claim holds the row
(`for key share`), its removal waits for that and is seen by every later claim. So once the row is gone, what the
worker had claimed is all there and nothing is added to it.
"""

from db.jobs import leave

# A worker process starts: id, host, pid, process (its name), queues, async slots, threads, its release, versions of
# Python and of Dramatiq. A release that nobody has seen before is noted. Returns when PostgreSQL was started, which
# tells one server from another that has taken over.
REGISTER = """
with seen as (
    insert into releases (version) values ($8) on conflict do nothing
)
insert into workers (id, host, pid, process, queues, async_slots, threads, version, python, dramatiq)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (id) do update set heartbeat_at = now()
returning pg_postmaster_start_time()
"""

# It lives, and uses so much: ids, bytes of memory, percent of a core. Those not returned have been given up. With each
# comes when PostgreSQL was started.
HEARTBEAT = """
update workers set heartbeat_at = now(), memory = $2, cpu = $3
where id = any($1::uuid[]) returning id, pg_postmaster_start_time() as server
"""

# What is believed to run on a worker. The live jobs are looked through: id.
RUNS = "select id, attempt from jobs where outcome is null and state = 'running' and worker = $1"

# It has stopped: id. If it leaves something that it had claimed (PostgreSQL was away when it stopped), its row stays:
# it is found dead, and its jobs are rescued.
UNREGISTER = """
delete from workers where id = $1 and not exists (select from jobs where outcome is null and worker = $1)
"""

# The same, told by its companion, which does not know its id: process, bytes of memory, percent of a core.
HEARTBEAT_OF_PROCESS = "update workers set heartbeat_at = now(), memory = $2, cpu = $3 where process = $1"

# Workers whose lease has run out lose their row: seconds, holder and term of the leader.
BURY = """
delete from workers
where heartbeat_at < now() - make_interval(secs => $1)
  and exists (select from leases where name = 'scheduling' and holder = $2 and term = $3 and expires_at > now())
returning id, host, pid, heartbeat_at
"""

# What PostgreSQL's clock shows, by which heartbeats are judged: seconds since 1970.
CLOCK = "select extract(epoch from clock_timestamp())::float8"

DIED = "worker.died"  # the action that the audit has of each

# What is kept of workers that were buried: DIED, ids, hosts, pids, when they were last heard of, how many jobs of
# theirs were queued again, and how many failed.
NOTE_DEATHS = """
insert into audit (who, action, target, details)
select 'scheduling', $1, d.id::text, json_build_object(
    'host', d.host, 'pid', d.pid, 'heard_of', d.heard_of, 'queued', d.queued, 'failed', d.failed)
from unnest($2::uuid[], $3::text[], $4::int[], $5::timestamptz[], $6::int[], $7::int[])
     as d(id, host, pid, heard_of, queued, failed)
"""

# running -> queued, or failed if no attempt is left: workers that were buried in the same transaction. The live jobs
# are looked through once for each death; of them only those that run have a worker.
RESCUE = """
with orphaned as materialized (
    select id, attempt, worker, started_at, coalesce(attempt >= max_attempts, false) as is_last from jobs
    where outcome is null and worker = any($1::uuid[])
    order by id for update
), kept as (
    insert into job_attempts (job_id, attempt, worker, started_at, error_type, error_message, traceback)
    select id, attempt, worker, started_at, 'WorkerDied', 'The worker that ran it died, or was cut off.', ''
    from orphaned
)
update jobs j set {leave}
from orphaned o where j.id = o.id
returning j.id, j.state, o.worker
""".replace(
    "{leave}",
    leave(
        fails="o.is_last",
        later="now()",
        error="json_build_object('type', 'WorkerDied', 'message', 'The worker that ran it died, or was cut off.')",
    ),
)

# Who lives, since when it is silent, and how many jobs each has in hand; looked for among the first live jobs of each
# queue, where those that run are: how many of them at most.
LIVING = """
select w.id, w.host, w.pid, w.process, w.queues, w.async_slots, w.threads, w.version, w.python, w.dramatiq,
       w.started_at, w.heartbeat_at, extract(epoch from now() - w.heartbeat_at)::float8 as silence,
       w.memory, w.cpu, coalesce(j.running, 0) as running,
       p.reason, p.paused_by as drained_by, p.paused_at as drained_at
from workers w
left join pauses p on p.kind = 'worker' and p.name = w.process and p.until > now()
left join (
    select j.worker, count(*) as running
    from (select distinct unnest(queues) as name from workers) q
    cross join lateral (
        select worker, state from jobs where outcome is null and queue = q.name order by priority, run_at limit $1
    ) j
    where j.state = 'running' group by j.worker
) j on j.worker = w.id
order by w.host, w.pid
"""

# What a worker runs now, the longest first; looked for as above: id, how many live jobs of a queue at most, how many.
RUNNING_ON = """
select j.id, j.actor, j.queue, j.attempt, j.started_at, j.control
from workers w
cross join lateral unnest(w.queues) q(name)
cross join lateral (
    select id, actor, queue, attempt, started_at, control, state, worker from jobs
    where outcome is null and queue = q.name order by priority, run_at limit $2
) j
where w.id = $1 and j.state = 'running' and j.worker = w.id
order by j.started_at limit $3
"""

# The jobs that a worker ended last, of those that ended last at all: id, how many of each outcome at most, how many.
ENDED_ON = """
select j.id, j.actor, j.queue, j.state, j.attempt, j.started_at, j.finished_at
from unnest(array[1, 2, 3]::smallint[]) o(outcome)
cross join lateral (
    select id, actor, queue, state, attempt, started_at, finished_at, worker from jobs
    where outcome = o.outcome order by finished_at desc limit $2
) j
where j.worker = $1
order by j.finished_at desc limit $3
"""

# The attempts that failed on a worker last, of those that failed last at all: id, how many of them at most, how many.
FAILED_ON = """
select a.job_id, a.attempt, a.ended_at, a.error_type, a.error_message, a.fingerprint, j.actor, j.queue, j.state
from (
    select job_id, attempt, worker, ended_at, error_type, error_message, fingerprint from job_attempts
    order by ended_at desc limit $2
) a join jobs j on j.id = a.job_id
where a.worker = $1
order by a.ended_at desc limit $3
"""
