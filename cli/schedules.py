"""`callboard schedules …`: what runs when, changed while it runs."""

import json
import re
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from cli import times
from cli.confirm import Yes, confirm
from cli.output import AsJson, print_json, say
from cli.pausing import For, Until, pause_span
from cli.session import run
from cli.values import json_or_text, json_value
from cli.who import who
from db.models import ScheduledJob
from errors import BadArguments
from runtime.client import Client
from runtime.triggers import PlannedRun
from services import schedules
from services.schedules import Backfill, Execution, Imported, ScheduleSpec

app = typer.Typer(help="Schedules: what runs when.", no_args_is_help=True)

Named = Annotated[str, typer.Argument(help="The schedule's name, or its id.", show_default=False)]
Every = Annotated[str | None, typer.Option(help="An interval: 30s, 5m, 1h30m, 1d.", show_default=False)]
CronOption = Annotated[str | None, typer.Option("--cron", help="A cron expression: '0 9 * * mon-fri'.")]
At = Annotated[str | None, typer.Option(help="Once: 2027-01-01T09:00, on the zone's clock without an offset.")]
JobType = Annotated[str | None, typer.Option(help="Another job type, with --config.", show_default=False)]
Config = Annotated[str | None, typer.Option(help="Its configuration, as JSON.", show_default=False)]
Zone = Annotated[str | None, typer.Option(help="Time zone: Europe/Berlin; UTC if not given.", show_default=False)]
Actor = Annotated[str | None, typer.Option(help="The actor that is run.", show_default=False)]
Args = Annotated[str | None, typer.Option(help="Its arguments, as JSON: an object by name, a list by place.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Any other field, as JSON or plain text: --set overlap=queue_one --set repeat=3."),
]
Reason = Annotated[str | None, typer.Option(help="Why, for the audit and for others who look at it.")]
Page = Annotated[int, typer.Option(min=1, max=1_000_000, help="Of many.")]
PerPage = Annotated[int, typer.Option(min=1, max=1000, help="On a page.")]
UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


@app.command("list")
def list_(
    actor: Annotated[str | None, typer.Option(help="Only those of this actor.")] = None,
    page: Page = 1,
    per_page: PerPage = 50,
    as_json: AsJson = False,
) -> None:
    """All schedules, those that periodiq triggers too, by name."""

    async def command(client: Client) -> tuple[list[ScheduledJob], datetime]:
        async with client.session() as session:
            found = await schedules.listed(session, page=page, per_page=per_page, task_function=actor)
            return found, await schedules.moment(session)

    found, now = run(command)
    if as_json:
        print_json([document(schedule) for schedule in found])
        return
    table = Table(Column("name", overflow="fold"), "actor", "when", "next run", "last run", "state", "owned by")
    for each in found:
        table.add_row(
            escape(each.name), escape(each.task_function), escape(schedules.trigger_text(each)),
            _time(each.next_run_at) if each.kind == "table" else "by periodiq", _time(each.last_run_at),
            escape(state(each, now)), each.managed_by if each.kind == "table" else "its actor",
        )  # fmt: skip
    Console().print(table)


@app.command()
def show(name: Named, as_json: AsJson = False) -> None:
    """One schedule, and its latest runs."""

    async def command(client: Client) -> tuple[ScheduledJob, list[Execution]]:
        async with client.session() as session:
            schedule = await schedules.find(session, name)
            return schedule, await schedules.executions(session, schedule_id=schedule.id, per_page=10)

    schedule, latest = run(command)
    if as_json:
        print_json({**document(schedule), "executions": [asdict(execution) for execution in latest]})
        return
    table = Table("field", Column("value", overflow="fold"))
    for field, value in document(schedule).items():
        shown = json.dumps(value) if isinstance(value, dict | list) else "" if value is None else str(value)
        table.add_row(field, escape(shown))
    Console().print(table)
    _print_history(latest)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Its name, unique.", show_default=False)],
    actor: Annotated[str, typer.Option(help="The actor that is run.", show_default=False)],
    every: Every = None,
    cron: CronOption = None,
    at: At = None,
    job_type: JobType = None,
    config: Config = None,
    zone: Zone = None,
    args: Args = None,
    fields: Set = None,
    as_json: AsJson = False,
) -> None:
    """A new schedule: callboard schedules create Cleanup --actor cleanup_expired_tokens --cron "0 3 * * *"."""
    given = {"name": name, **_fields(actor, every, cron, at, job_type, config, zone, args, fields)}
    if "job_type" not in given:
        raise BadArguments("Say when: --every, --cron, --at, or --job-type with --config.", "job_type")

    async def command(client: Client) -> ScheduledJob:
        async with client.session() as session:
            schedule = await schedules.create(session, ScheduleSpec.parse(given), who=who())
            await session.commit()
            return schedule

    _say(run(command), "exists", as_json)


@app.command()
def edit(
    name: Named,
    actor: Actor = None,
    every: Every = None,
    cron: CronOption = None,
    at: At = None,
    job_type: JobType = None,
    config: Config = None,
    zone: Zone = None,
    args: Args = None,
    fields: Set = None,
    as_json: AsJson = False,
) -> None:
    """Change what is given; all else stays. A running scheduler knows within a second."""
    changes = _fields(actor, every, cron, at, job_type, config, zone, args, fields)
    if not changes:
        raise BadArguments("Say what is to change: --every, --cron, --actor, --args, --set FIELD=VALUE, …", "name")

    async def command(client: Client) -> ScheduledJob:
        async with client.session() as session:
            found = await schedules.find(session, name)
            schedule = await schedules.edit(session, found.id, changes, who=who())
            await session.commit()
            return schedule

    _say(run(command), "is changed", as_json)


@app.command()
def enable(name: Named, reason: Reason = None, as_json: AsJson = False) -> None:
    """Let it run again, from its next time on."""

    async def command(client: Client) -> ScheduledJob:
        async with client.session() as session:
            found = await schedules.find(session, name)
            schedule = await schedules.set_enabled(session, found.id, True, who=who(), reason=reason)
            await session.commit()
            return schedule

    _say(run(command), "is enabled", as_json)


@app.command()
def disable(
    name: Named, until: Until = None, lasts: For = None, reason: Reason = None, as_json: AsJson = False
) -> None:
    """Let it make no run until it is enabled again; or for a while, after which it goes on by itself."""
    span = pause_span(until, lasts)

    async def command(client: Client) -> ScheduledJob:
        async with client.session() as session:
            found = await schedules.find(session, name)
            schedule = await schedules.turn_off(session, found.id, who=who(), reason=reason, span=span)
            await session.commit()
            return schedule

    schedule = run(command)
    _say(schedule, f"is {disabled(schedule.off_until)}", as_json)


@app.command()
def delete(name: Named, yes: Yes = False, as_json: AsJson = False) -> None:
    """Remove it. Its history and versions stay."""

    async def found(client: Client) -> ScheduledJob:
        async with client.session() as session:
            return await schedules.find(session, name)

    async def command(client: Client) -> None:
        async with client.session() as session:
            await schedules.delete(session, schedule.id, who=who())
            await session.commit()

    schedule = run(found)
    confirm(f"Delete the schedule {schedule.name}?", yes)
    run(command)
    text = f"{schedule.name} is deleted. Its history stays: callboard schedules history"
    say(as_json, {"id": schedule.id, "name": schedule.name}, text)


@app.command("run")
def run_(name: Named, as_json: AsJson = False) -> None:
    """Run it now, whatever its times say."""

    async def command(client: Client) -> Execution:
        async with client.session() as session:
            schedule = await schedules.find(session, name)
            execution = await schedules.trigger(session, schedule.id, who=who())
            (found,) = await schedules.executions(session, execution_id=execution.id)
            await session.commit()
            return found

    execution = run(command)
    if as_json:
        print_json(asdict(execution))
    else:
        made = f"job {execution.job_id}" if execution.job_id else "no job, for it is a shadow"
        typer.echo(f"{execution.schedule} runs: {made}.")


@app.command()
def backfill(
    name: Named,
    start: Annotated[str, typer.Option("--from", help="2026-11-24T00:00, or how long ago: 2d.", show_default=False)],
    end: Annotated[str | None, typer.Option("--to", help="The same; until now if not given.")] = None,
    apart: Annotated[str, typer.Option(help="How much later each starts than the one before: 10s.")] = "0s",
    reason: Annotated[str | None, typer.Option(help="Why, for the audit.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be made.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the runs of a span that is past, of which nothing was made."""
    begin, stop = times.past(start, "from"), times.past(end, "to") if end else None
    later = times.duration(apart, "apart")

    async def command(client: Client) -> Backfill:
        async with client.session() as session:
            schedule = await schedules.find(session, name)
            span = begin, stop or await schedules.moment(session)
            if dry_run:
                return await schedules.plan_backfill(session, schedule.id, *span)
            made = await schedules.backfill(session, schedule.id, *span, who=who(), reason=reason, apart=later)
            await session.commit()
            return made

    found = run(command)
    if as_json:
        print_json(asdict(found))
    else:
        verb = "would be made" if dry_run else "were made"
        typer.echo(f"{len(found.planned)} runs were planned then; {len(found.missing)} {verb}.")


@app.command()
def history(
    name: Annotated[str | None, typer.Argument(help="A schedule's name or id; all if not given.")] = None,
    status: Annotated[str | None, typer.Option(help="Only succeeded, failed, skipped, …")] = None,
    page: Page = 1,
    per_page: PerPage = 50,
    as_json: AsJson = False,
) -> None:
    """What became of planned runs, and why some were not made; the latest first."""

    async def command(client: Client) -> list[Execution]:
        async with client.session() as session:
            schedule_id = (await schedules.find(session, name)).id if name else None
            return await schedules.executions(
                session, schedule_id=schedule_id, status=status, page=page, per_page=per_page
            )

    found = run(command)
    if as_json:
        print_json([asdict(execution) for execution in found])
    else:
        _print_history(found)


@app.command()
def preview(
    name: Annotated[str | None, typer.Argument(help="A schedule's name or id; or say when.")] = None,
    every: Every = None,
    cron: CronOption = None,
    at: At = None,
    job_type: JobType = None,
    config: Config = None,
    zone: Zone = None,
    number: Annotated[int, typer.Option("-n", min=1, max=1000, help="Runs.")] = 10,
    as_json: AsJson = False,
) -> None:
    """When it will run next, with what clock changes do to that."""
    given = _fields(None, every, cron, at, job_type, config, zone, None, None)
    if name is not None and given:
        raise BadArguments("Name a schedule, or say when by options: not both.", "name")
    if name is None and "job_type" not in given:
        raise BadArguments("Name a schedule, or say when: --every, --cron, --at, or --job-type with --config.", "name")

    async def command(client: Client) -> list[PlannedRun]:
        async with client.session() as session:
            if name is None:
                return await schedules.preview(
                    session, given["job_type"], given["schedule_config"], given.get("time_zone", "UTC"), number
                )  # fmt: skip
            found = await schedules.find(session, name)
            return await schedules.preview(
                session, found.job_type, found.schedule_config, found.time_zone, number,
                start_at=found.start_at, anchor_at=found.anchor_at, not_before=found.off_until,
            )  # fmt: skip

    runs = run(command)
    if as_json:
        print_json([{"at": each.at, "local": each.local.isoformat(), "mark": each.mark} for each in runs])
        return
    table = Table("UTC", "local", "clock change")
    for each in runs:
        table.add_row(f"{each.at:%a %Y-%m-%d %H:%M:%S}", f"{each.local:%a %Y-%m-%d %H:%M:%S %z}", each.mark or "")
    Console().print(table)


@app.command()
def export() -> None:
    """All schedules as YAML, for `callboard schedules import`."""

    async def command(client: Client) -> str:
        async with client.session() as session:
            return await schedules.dump(session)

    typer.echo(run(command), nl=False)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A file that `export` wrote, or one like it; - for standard input.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Create what is new and change what differs, by name; all of the file or nothing."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadArguments(f"{file} cannot be read: {error}", "file") from None

    async def command(client: Client) -> Imported:
        async with client.session() as session:
            done = await schedules.load(session, text, who=who())
            if not dry_run:
                await session.commit()
            return done

    done = run(command)
    if as_json:
        print_json(asdict(done))
        return
    would = "would be " if dry_run else ""
    typer.echo(f"{len(done.created)} {would}created, {len(done.changed)} changed, {len(done.unchanged)} as they were.")


def document(schedule: ScheduledJob) -> dict[str, Any]:
    """A schedule as the API gives it out, for JSON."""
    return {
        "id": schedule.id,
        **ScheduleSpec.model_validate(schedule).model_dump(),
        "kind": schedule.kind,
        "managed_by": schedule.managed_by,
        "version": schedule.version,
        "runs": schedule.runs,
        "last_run_at": schedule.last_run_at,
        "next_run_at": schedule.next_run_at,
        "problem": schedule.problem,
        "off_until": schedule.off_until,
        "off_by": schedule.off_by,
        "off_reason": schedule.off_reason,
        "created_at": schedule.created_at,
        "created_by": schedule.created_by,
        "updated_at": schedule.updated_at,
        "updated_by": schedule.updated_by,
    }


def state(schedule: ScheduledJob, now: datetime) -> str:
    """`enabled`, `disabled until 2026-11-25 09:30 UTC by cli:ada: a move`, `finished`, …"""
    if schedules.is_off(schedule, now):
        by = f" by {schedule.off_by}" if schedule.off_by else ""
        why = f": {schedule.off_reason}" if schedule.off_reason else ""
        return f"{disabled(schedule.off_until)}{by}{why}"
    if schedule.problem:
        return f"problem: {schedule.problem}"
    if schedule.kind == "table" and schedule.next_run_at is None:
        return "finished"
    return "shadow" if schedule.shadow else "enabled"


def disabled(end: datetime | None) -> str:
    """`disabled until 2026-11-25 09:30 UTC`, or only `disabled` if it is to be enabled again."""
    return f"disabled until {end.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if end else "disabled"


def _fields(
    actor: str | None, every: str | None, cron: str | None, at: str | None, job_type: str | None, config: str | None,
    zone: str | None, args: str | None, fields: list[str] | None,
) -> dict[str, Any]:  # fmt: skip
    """The fields of a schedule that the options name."""
    given: dict[str, Any] = {}
    when = {"every": every, "cron": cron, "at": at, "job-type": job_type}
    named = [option for option, value in when.items() if value is not None]
    if config is not None and job_type is None:
        raise BadArguments("--config is for --job-type, which is not given.", "config")
    if len(named) > 1:
        raise BadArguments(f"--{named[0]} and --{named[1]} are both given. Choose one.", named[1])
    if every is not None:
        given |= {"job_type": "interval", "schedule_config": _interval(every)}
    elif cron is not None:
        given |= {"job_type": "cron", "schedule_config": {"expression": cron}}
    elif at is not None:
        given |= {"job_type": "date", "schedule_config": {"run_at": at}}
    elif job_type is not None:
        given |= {"job_type": job_type, "schedule_config": json_value(config or "{}", "config")}
    plain = {"task_function": actor, "time_zone": zone}
    given |= {name: value for name, value in plain.items() if value is not None}
    if args is not None:
        given["task_args"] = json_value(args, "args")
    for field in fields or ():
        name, equals, text = field.partition("=")
        if not equals:
            raise BadArguments(f"--set {field!r} is not FIELD=VALUE.", "set")
        given[name] = json_or_text(text)
    return given


def _interval(text: str) -> dict[str, int]:
    if not re.fullmatch(r"(\d{1,9}[wdhms])+", text):
        raise BadArguments(f"--every {text!r} is no interval. Write it like 30s, 5m or 1h30m.", "every")
    return {UNITS[unit]: int(number) for number, unit in re.findall(r"(\d+)([wdhms])", text)}


def _time(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _say(schedule: ScheduledJob, done: str, as_json: bool) -> None:
    if as_json:
        print_json(document(schedule))
    else:
        following = f"next run {_time(schedule.next_run_at)}" if schedule.next_run_at else "no run is planned"
        typer.echo(f"{schedule.name} {done}: {following}.")


def _print_history(found: list[Execution]) -> None:
    table = Table("planned", "schedule", "status", "job", "by", Column("reason or error", overflow="fold"))
    for each in found:
        planned = _time(each.planned_at) + (f" ({each.times} times)" if each.times > 1 else "")
        error = f"{each.error.get('type')}: {each.error.get('message')}" if each.error else ""
        job = str(each.job_id) if each.job_id else ""
        why = escape(each.reason or error)
        table.add_row(planned, escape(each.schedule), each.status, job, escape(each.triggered_by), why)
    Console().print(table)
