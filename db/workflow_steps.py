"""The SQL of workflows' steps. Whoever changes them holds the workflow's row (LOCK in db/workflows.py).

A step:

    held        an undo, of no use so far
    waiting     for predecessors
    running     its jobs exist, or it sleeps, or it waits for its event
    succeeded, failed, cancelled (never began, or was stopped), skipped (by a person: counts as succeeded)

A step's jobs are those with its `run`; a step that is run again gets a new one, and older jobs change nothing more.
"""

# What is read of a step, JSON as text: it is passed on unread.
_STEP = """s.id, s.workflow_id, s.number, s.name, s.kind, s.state, s.join_policy, s.on_failure, s.takes_result,
    s.spreads, s.undoes, s.predecessors, s.pending, s.hits, s.run, s.total, s.released, s.ended, s.failed,
    s.max_parallel, s.event, s.calls::text as calls, s.args::text as args, s.kwargs::text as kwargs"""

# So many jobs of these step runs have ended, and so many of them failed: runs, ended, failed.
COUNT_ENDS = """
update workflow_steps s set ended = s.ended + c.ended, failed = s.failed + c.failed
from unnest($1::uuid[], $2::int[], $3::int[]) as c(run, ended, failed)
where s.run = c.run and s.state = 'running'
returning {step}
""".replace("{step}", _STEP)

# failed -> succeeded, for steps whose job a person ran again, with success: runs.
SUCCEED_LATE = """
update workflow_steps s set state = 'succeeded', result = j.result, error = null, finished_at = clock_timestamp(),
       failed = 0
from jobs j
where s.run = any($1::uuid[]) and s.state = 'failed' and s.kind = 'job'
  and j.workflow_id = s.workflow_id and j.step_run = s.run and j.outcome = 1
returning {step}
""".replace("{step}", _STEP)

# running -> ended, for steps of one job, as that job ended: ids.
FINISH_JOBS = """
update workflow_steps s set
    state = case when j.outcome = 1 then 'succeeded'
                 when j.outcome = 3 and w.state in ('failing', 'cancelling') then 'cancelled' else 'failed' end,
    result = j.result, error = case when j.outcome > 1 then j.error end, finished_at = clock_timestamp()
from jobs j, workflows w
where s.id = any($1::uuid[]) and s.state = 'running' and w.id = s.workflow_id
  and j.workflow_id = s.workflow_id and j.step_run = s.run and j.outcome is not null
returning {step}
""".replace("{step}", _STEP)

# The same for steps of many jobs: ids, most bytes of their results together. More than that is kept with the jobs only,
# and if a successor is to be given it, the step has failed.
FINISH_FANS = """
update workflow_steps s set
    state = case when s.failed > 0 then 'failed' when s.ended < s.total or r.is_stopped then 'cancelled'
                 when r.is_too_large then 'failed' else 'succeeded' end,
    result = r.result, finished_at = clock_timestamp(),
    error = case
        when s.failed > 0 then (
            select json_build_object('type', 'ItemsFailed', 'message', format(
                '%s of %s jobs failed; the first, item %s: %s', s.failed, s.total, j.item, j.error->>'message'))
            from jobs j where j.workflow_id = s.workflow_id and j.step_run = s.run and j.outcome > 1
            order by j.item limit 1)
        when r.is_too_large then json_build_object('type', 'TooLarge', 'message', format(
            'The results together are %s bytes of JSON; the limit is %s. Store the data elsewhere and return '
            'references to it, or make what comes after immutable (si).', r.size, $2::int))
        end
from workflow_steps k cross join lateral (
    select coalesce(a.is_stopped, false) as is_stopped,
           case when octet_length(a.list) <= $2 then a.list::json end as result, octet_length(a.list) as size,
           octet_length(a.list) > $2 and exists (
               select from workflow_edges e join workflow_steps t on t.id = e.to_id
               where e.from_id = k.id and (t.takes_result or t.kind = 'join')) as is_too_large
    from (
        select coalesce('[' || string_agg(coalesce(j.result::text, 'null'), ',' order by j.item) || ']', '[]') as list,
               bool_or(j.outcome = 3) as is_stopped
        from jobs j where j.workflow_id = k.workflow_id and j.step_run = k.run
    ) a
) r
where s.id = any($1::uuid[]) and s.state = 'running' and k.id = s.id
returning {step}
""".replace("{step}", _STEP)

# waiting, running -> ended, for steps that end without a job's doing: ids, states, results or null, error types or
# null, error messages.
END = """
update workflow_steps s set state = e.state, result = e.result::json, finished_at = clock_timestamp(), due_at = null,
       error = case when e.type is not null then json_build_object('type', e.type, 'message', e.message) end
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[]) as e(id, state, result, type, message)
where s.id = e.id and s.state in ('waiting', 'running')
returning {step}
""".replace("{step}", _STEP)

# These steps have ended: ids, has it succeeded. Their successors that wait, with one predecessor less to wait for.
STEP_ENDED = """
update workflow_steps s set pending = s.pending - e.ended, hits = s.hits + e.hits
from (
    select e.to_id, count(*) as ended, count(*) filter (where x.hit) as hits
    from unnest($1::uuid[], $2::bool[]) as x(id, hit) join workflow_edges e on e.from_id = x.id
    group by e.to_id
) e
where s.id = e.to_id and s.state = 'waiting'
returning {step}
""".replace("{step}", _STEP)

# Steps whose join is met: workflow. After a start or a pause.
READY = """
select {step} from workflow_steps s
where workflow_id = $1 and state = 'waiting'
  and case join_policy when 'any_succeeded' then hits > 0 or predecessors = 0
                       when 'all_done' then pending = 0 else pending = 0 and hits = predecessors end
order by number
""".replace("{step}", _STEP)

# Steps of many jobs that have begun and have jobs left to make: workflow.
UNFINISHED_FANS = """
select {step} from workflow_steps s
where workflow_id = $1 and state = 'running' and kind in ('group', 'map') and released < total
""".replace("{step}", _STEP)

# waiting, held -> running: ids, totals or null. A sleep or a wait is due at its time.
BEGIN = """
update workflow_steps s set state = 'running', started_at = clock_timestamp(), total = b.total,
       due_at = coalesce(s.until, now() + make_interval(secs => s.seconds))
from unnest($1::uuid[], $2::int[]) as b(id, total)
where s.id = b.id and s.state in ('waiting', 'held')
returning {step}
""".replace("{step}", _STEP)

# What the predecessors of these steps returned, in order: ids.
PASSED = """
select e.to_id, s.result::text as result from workflow_edges e join workflow_steps s on s.id = e.from_id
where e.to_id = any($1::uuid[]) order by e.to_id, e.position
"""

# Events that were there before the step which waits for them: workflows.
EVENTS = "select workflow_id, name, payload::text as payload from workflow_events where workflow_id = any($1::uuid[])"

# The items of a step, so many chunks of them: step, first chunk, last chunk.
ITEMS = """
select items::text from workflow_items where step_id = $1 and chunk between $2 and $3 order by chunk
"""

# step, chunks, items as JSON
INSERT_ITEMS = """
insert into workflow_items (step_id, chunk, items)
select $1, i.chunk, i.items::json from unnest($2::int[], $3::text[]) as i(chunk, items)
"""

# So many jobs of these steps are made now: ids, numbers.
RELEASED = """
update workflow_steps s set released = s.released + r.number
from unnest($1::uuid[], $2::int[]) as r(id, number) where s.id = r.id
"""

# What has not begun, and what only waits, will not go on: workflow.
CANCEL_STEPS = """
update workflow_steps set state = 'cancelled', finished_at = clock_timestamp(), due_at = null
where workflow_id = $1
  and (state = 'waiting' or state = 'running' and (kind in ('sleep', 'event') or released = 0 and undoes is null))
"""

# What is to be undone next: of the steps that succeeded, the one that did so last: workflow.
NEXT_UNDO = """
select {step} from workflow_steps s join workflow_steps d on d.id = s.undoes
where s.workflow_id = $1 and s.state = 'held' and d.state = 'succeeded'
order by d.finished_at desc, d.number desc limit 1
""".replace("{step}", _STEP)

# Sleeps and waits that are over: most. And whether they still are, once their workflows are held: ids.
DUE_STEPS = "select id, workflow_id from workflow_steps where due_at <= now() order by due_at limit $1"
STEPS_DUE = """
select {step} from workflow_steps s where id = any($1::uuid[]) and state = 'running' and due_at <= now()
""".replace("{step}", _STEP)

# How many items there are, now that they are known: step, number.
SET_TOTAL = "update workflow_steps set total = $2 where id = $1"

# A person says that a step need not be done: workflow, name, its result as JSON. One whose job runs is not returned.
SKIP = """
update workflow_steps s set state = 'skipped', result = $3::json, error = null, finished_at = clock_timestamp(),
       started_at = coalesce(started_at, clock_timestamp()), due_at = null
where workflow_id = $1 and name = $2 and undoes is null
  and (state in ('waiting', 'failed', 'cancelled') or state = 'running' and kind in ('sleep', 'event'))
returning {step}
""".replace("{step}", _STEP)
STEP = "select id, state from workflow_steps where workflow_id = $1 and name = $2 and undoes is null"

# Its steps, as arrays of equal length.
INSERT_STEPS = """
insert into workflow_steps (id, workflow_id, number, name, kind, state, join_policy, on_failure, calls, args, kwargs,
                            takes_result, spreads, undoes, predecessors, pending, run, total, max_parallel, event,
                            seconds, until)
select id, $1, number, name, kind, state, join_policy, on_failure, calls::json, args::json, kwargs::json,
       takes_result, spreads, undoes, predecessors, predecessors, run, total, max_parallel, event, seconds, until
from unnest($2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
            $10::text[], $11::text[], $12::bool[], $13::bool[], $14::uuid[], $15::int[], $16::uuid[], $17::int[],
            $18::int[], $19::text[], $20::float8[], $21::timestamptz[])
     as t(id, number, name, kind, state, join_policy, on_failure, calls, args, kwargs, takes_result, spreads, undoes,
          predecessors, run, total, max_parallel, event, seconds, until)
"""
INSERT_EDGES = """
insert into workflow_edges (from_id, to_id, position)
select * from unnest($1::uuid[], $2::uuid[], $3::int[])
"""

# An event arrives: workflow, name, payload as JSON, who. No row: it has arrived before.
RECEIVE = """
insert into workflow_events (workflow_id, name, payload, who) values ($1, $2, $3::json, $4)
on conflict do nothing returning name
"""
WAITS_FOR = """
select {step} from workflow_steps s where workflow_id = $1 and event = $2 and state = 'running'
""".replace("{step}", _STEP)
EVENT_NAMES = "select distinct event from workflow_steps where workflow_id = $1 and event is not null order by event"

# What failed or was cancelled is to be done after all, and these steps again whatever became of them: workflow, ids.
# What comes after them is recounted.
RESET = """
with reset as (
    update workflow_steps set state = case when undoes is null then 'waiting' else 'held' end, run = gen_random_uuid(),
           total = case when not spreads then total end, released = 0, ended = 0, failed = 0, due_at = null,
           result = null, error = null, started_at = null, finished_at = null
    where workflow_id = $1 and (state in ('failed', 'cancelled') or id = any($2::uuid[]))
    returning id
), emptied as (
    delete from workflow_items i using workflow_steps s
    where s.workflow_id = $1 and s.id = i.step_id and s.spreads
      and s.id in (select id from reset)
)
select id from reset
"""
RECOUNT = """
update workflow_steps s set pending = s.predecessors - c.ended, hits = c.hits
from (
    select t.id, count(p.id) filter (where p.state not in ('waiting', 'running', 'held')) as ended,
           count(p.id) filter (where p.state in ('succeeded', 'skipped')) as hits
    from workflow_steps t left join workflow_edges e on e.to_id = t.id left join workflow_steps p on p.id = e.from_id
    where t.workflow_id = $1 and t.state = 'waiting' group by t.id
) c
where s.id = c.id
"""

# A step and all that come after it: step.
AFTER = """
with recursive after as (
    select $1::uuid as id union select e.to_id from after a join workflow_edges e on e.from_id = a.id
)
select a.id from after a join workflow_steps s on s.id = a.id where s.undoes is null
"""

# All steps that are no undos: workflow.
ALL = "select id from workflow_steps where workflow_id = $1 and undoes is null"

# What runs in each of these now: up to three names of steps: ids.
CURRENT = """
select workflow_id, (array_agg(name order by number))[1:3] as names
from workflow_steps where workflow_id = any($1::uuid[]) and state = 'running' group by workflow_id
"""
