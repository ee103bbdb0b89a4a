"""The schedules and workflows of a shop that does not exist, for pictures of the console."""

import uuid
from typing import Any

from actors.workflow import count_words, order_step
from runtime.client import Client
from runtime.flow import Flow, each, graph, si, wait_for
from services import schedules, workflows
from services.schedules import ScheduleSpec

MAIL = {"to": "accounts@example.com", "subject": "Invoices", "text": "See the list."}
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday")
SCHEDULES: tuple[tuple[str, str, str, dict[str, Any], str, dict[str, Any]], ...] = (
    ("Invoices of the night", "send_email", "cron", {"expression": "30 2 * * mon-fri"}, "Europe/Berlin", MAIL),
    ("Monday's digest", "send_email", "cron", {"expression": "0 8 * * mon"}, "America/New_York", MAIL),
    ("Stock levels", "sync_domain_users", "interval", {"minutes": 15}, "UTC", {}),
    ("Tokens that expired", "cleanup_expired_tokens", "interval", {"hours": 24}, "UTC", {}),
    ("Desktops that went away", "cleanup_stale_desktop_sessions", "interval", {"minutes": 1}, "UTC", {}),
    ("Deployments that hang", "cleanup_stale_deployment_jobs", "interval", {"seconds": 30}, "UTC", {}),
    ("The year's accounts", "send_email", "date", {"run_at": "2027-12-31T23:00"}, "Europe/Berlin", MAIL),
)  # fmt: skip
HISTORY = """
insert into scheduled_job_executions (id, schedule_id, schedule, planned_at, status, reason, job_id, triggered_by,
                                      started_at, ended_at, error)
select gen_random_uuid(), s.id, s.name, t, status,
       case status when 'skipped' then 'overlap: the last run still goes' end,
       case when status <> 'skipped' then gen_random_uuid() end, 'schedule',
       case when status <> 'skipped' then t + interval '0.02 s' end,
       case when status <> 'skipped' then t + make_interval(secs => 0.4 + 3 * random()) end,
       case status when 'failed' then '{"type": "ConnectionError", "message": "the server does not answer"}'::json end
from (select *, row_number() over (order by name) as place from scheduled_jobs where kind = 'table') s,
     generate_series(1, 30) n,
     lateral (select case s.job_type
                     when 'cron' then date_trunc('day', now()) + interval '90 min' - n * interval '1 day'
                     else date_trunc('minute', now()) - (n - 1) * interval '15 min' end as t,
              case when (n + s.place) % 13 = 0 then 'failed' when (n + s.place) % 9 = 0 then 'skipped'
                   else 'succeeded' end as status) made
where s.job_type <> 'date'
"""
# What became of each step: its name, state, seconds after the start at which it began and ended, jobs that ended and
# failed. Null: it has not.
ORDERS = (
    ("read the orders", "succeeded", 0.0, 14.0, 1, 0), ("check them", "succeeded", 14.0, 31.0, 48, 0),
    ("reserve the stock", "succeeded", 14.0, 22.0, 1, 0), ("authorise the payments", "running", 31.0, None, 31, 2),
    ("print the labels", "succeeded", 22.0, 29.0, 1, 0), ("the van is here", "running", 29.0, None, 0, 0),
    ("hand over", "waiting", None, None, 0, 0), ("write to the customers", "waiting", None, None, 0, 0),
)  # fmt: skip
STEP = """
update workflow_steps s set state = $3, released = greatest(released, $6), ended = $6, failed = $7,
       started_at = w.created_at + make_interval(secs => $4), finished_at = w.created_at + make_interval(secs => $5)
from workflows w where w.id = $1 and s.workflow_id = w.id and s.name = $2
"""
BEGUN = "update workflows set created_at = now() - make_interval(secs => $2) where id = $1"
ENDED = """
with ended as (
    update workflows set state = $2, finished_at = created_at + make_interval(secs => $3) where id = $1
    returning id, created_at, state as fate
)
update workflow_steps s set ended = coalesce(total, 0), released = coalesce(total, 0),
       state = case when e.fate = 'succeeded' or number < 4 then 'succeeded' when number = 4 then 'failed'
               else 'cancelled' end,
       started_at = e.created_at + make_interval(secs => number * 4),
       finished_at = e.created_at + make_interval(secs => number * 4 + 3)
from ended e where s.workflow_id = e.id
"""
TRIED = """
with job as (
    update jobs set state = 'succeeded', outcome = 1, attempt = 2, started_at = now(), finished_at = now()
    where workflow_id = any($1::uuid[]) and outcome is null returning id, workflow_id
)
insert into job_attempts (job_id, attempt, worker, started_at, ended_at, error_type, error_message, traceback)
select id, 1, gen_random_uuid(), now(), now(), 'ConnectionError', 'the warehouse does not answer', '' from job
where workflow_id = ($1::uuid[])[1]
"""


async def fill(client: Client) -> tuple[uuid.UUID, uuid.UUID]:
    """Returns the ids of a schedule and of a workflow that are worth a look."""
    return await _schedules(client), await _workflows(client)


async def _schedules(client: Client) -> uuid.UUID:
    made = []
    async with client.session() as session:
        for name, actor, kind, config, zone, args in SCHEDULES:
            fields = {
                "name": name, "task_function": actor, "job_type": kind, "schedule_config": config, "time_zone": zone,
                "task_args": args,
            }  # fmt: skip
            made.append((await schedules.create(session, ScheduleSpec.parse(fields), who="ada")).id)
        await schedules.edit(session, made[0], {"overlap": "queue_one"}, who="grace")
        await schedules.set_enabled(session, made[3], False, who="grace")
        await session.commit()
    async with client.database.connection() as connection:
        await connection.execute(HISTORY)
    return made[0]


async def _workflows(client: Client) -> uuid.UUID:
    async with client.session() as session:
        ended = [(await workflows.start(session, _orders(), name=f"orders of {day}", owner="shop")).id for day in DAYS]
        goes = (await workflows.start(session, _orders(), name="orders of the morning", owner="shop")).id
        await session.commit()
    async with client.database.connection() as connection:
        for place, one in enumerate(ended):
            await connection.execute(BEGUN, one, 86_400.0 * (len(DAYS) - place))
            await connection.execute(ENDED, one, "failed" if place == 1 else "succeeded", 44.0)
        await connection.execute(BEGUN, goes, 47.0)
        for step in ORDERS:
            await connection.execute(STEP, goes, *step)
        await connection.execute(TRIED, [goes, *ended])
    return goes


def _orders() -> Flow:
    def step(name: str) -> Any:
        return si(order_step, "4711", name).named(name)

    read, reserve, labels, hand = map(step, ("read the orders", "reserve the stock", "print the labels", "hand over"))
    check = each(count_words, ["an order"] * 48).named("check them")
    pay = each(count_words, ["a payment"] * 48).named("authorise the payments")
    van = wait_for("van").named("the van is here")
    write = step("write to the customers")
    return graph(
        {read: [], check: [read], reserve: [read], pay: [check], labels: [reserve], van: [labels], hand: [pay, van],
         write: [hand]}
    )  # fmt: skip
