"""`callboard workflows …`: list, show, draw, and act on them."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from cli.output import AsJson, print_json, say
from cli.session import run
from cli.values import json_value
from cli.who import who
from db.models import Workflow
from runtime.client import Client
from services import workflow_views as views
from services import workflows

app = typer.Typer(help="Workflows: look at them, and act on them.", no_args_is_help=True)

Id = Annotated[UUID, typer.Argument(help="The workflow's id.", show_default=False)]
StepName = Annotated[str, typer.Argument(help="The step's name.", show_default=False)]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the audit.", show_default=False)]

_STYLES = {
    "succeeded": "green", "failed": "red", "running": "cyan", "waiting": "dim", "held": "dim", "cancelled": "yellow",
    "skipped": "magenta",
}  # fmt: skip


@app.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    name: Annotated[str | None, typer.Option(help="Only those of this name.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """The newest workflows."""

    async def command(client: Client) -> list[dict[str, Any]]:
        async with client.session() as session:
            found = await views.recent(session, limit, state=state, name=name)
            progress = await views.progress(session, [workflow.id for workflow in found])
        return [_summary(workflow, progress[workflow.id]) for workflow in found]

    rows = run(command)
    if as_json:
        print_json(rows)
        return
    table = Table("id", "name", "state", "steps", "items", "created", box=None)
    for row in rows:
        items = f"{row['items_ended']}/{row['items']}" if row["items"] else ""
        table.add_row(
            str(row["id"]), escape(row["name"]), row["state"], f"{row['ended']}/{row['steps']}", items,
            f"{row['created_at']:%Y-%m-%d %H:%M:%S}",
        )  # fmt: skip
    Console().print(table)


@app.command()
def show(workflow: Id, as_json: AsJson = False) -> None:
    """One workflow and its steps, in the order they come in."""
    found, places, outcomes = run(lambda client: _read(client, workflow))
    if as_json:
        print_json(found | {"steps": [_step(place, outcomes) for place in places]})
        return
    console = Console()
    console.print(f"{escape(found['name'])}  {found['state']}", highlight=False)
    if found["error"]:
        console.print(escape(f"{found['error']['type']}: {found['error']['message']}"), style="red", highlight=False)
    table = Table("step", "kind", "state", "done", "started", "finished", "error", box=None)
    for place in places:
        step = place.step
        table.add_row(
            escape(step.name), step.kind, f"[{_STYLES[step.state]}]{step.state}[/]", _done(step),
            _clock(step.started_at), _clock(step.finished_at), escape((step.error or {}).get("message", "")),
        )  # fmt: skip
    console.print(table)


@app.command()
def graph(workflow: Id, as_json: AsJson = False) -> None:
    """Draw it: under each step what comes after it. A step with several predecessors is drawn under the last one."""
    found, places, outcomes = run(lambda client: _read(client, workflow))
    if as_json:
        print_json([_step(place, outcomes) for place in places])
        return
    root = Tree(f"{escape(found['name'])}  {found['state']}")
    branches: dict[str, Tree] = {}
    for place in places:
        above = branches[place.after[-1]] if place.after else root
        more = f"  [dim]after {escape(', '.join(place.after))}[/]" if len(place.after) > 1 else ""
        state = f"[{_STYLES[place.step.state]}]{place.step.state}[/]"
        label = f"{escape(place.step.name)}  {state} {_done(place.step)}{more}"
        branches[place.step.name] = above.add(label)
    Console().print(root, highlight=False)


@app.command()
def cancel(
    workflow: Id,
    reason: Reason = "",
    compensate: Annotated[bool, typer.Option("--compensate", help="Undo what was done.")] = False,
    as_json: AsJson = False,
) -> None:
    """Begin nothing more, cancel what runs."""
    _act(as_json, workflow, "is being cancelled", workflows.cancel, reason=reason, compensate=compensate)


@app.command()
def pause(workflow: Id, reason: Reason = "", as_json: AsJson = False) -> None:
    """Begin nothing more until it is resumed."""
    _act(as_json, workflow, "is paused", workflows.pause, reason=reason)


@app.command()
def resume(workflow: Id, reason: Reason = "", as_json: AsJson = False) -> None:
    """Go on where it was paused."""
    _act(as_json, workflow, "goes on", workflows.resume, reason=reason)


@app.command()
def retry(workflow: Id, reason: Reason = "", as_json: AsJson = False) -> None:
    """Go on from what failed or was cancelled."""
    _act(as_json, workflow, "goes on from what failed", workflows.retry, reason=reason)


@app.command()
def rerun(
    workflow: Id,
    step: Annotated[str | None, typer.Argument(help="The step's name; none: all of it.", show_default=False)] = None,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Do a step again, and all that comes after it; without a step all of it."""
    _act(as_json, workflow, f"does {step or 'all of it'} again", workflows.rerun, step, reason=reason)


@app.command()
def skip(
    workflow: Id,
    step: StepName,
    result: Annotated[str, typer.Option(help="What its successors are given: JSON, or @FILE.")] = "null",
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Count a step as done, with this result."""
    given = json_value(result, "result")
    _act(as_json, workflow, f"does without {step}", workflows.skip, step, reason=reason, result=given)


@app.command()
def event(
    workflow: Id,
    name: Annotated[str, typer.Argument(help="The event.", show_default=False)],
    payload: Annotated[str, typer.Option(help="What comes after the wait is given: JSON, or @FILE.")] = "null",
    as_json: AsJson = False,
) -> None:
    """Tell it that something has happened which it waits for."""
    _act(as_json, workflow, f"was told of {name}", workflows.signal, name, json_value(payload, "payload"))


def _act(
    as_json: bool, workflow: UUID, done: str, verb: Callable[..., Awaitable[None]], *args: Any, **options: Any
) -> None:
    async def command(client: Client) -> str:
        async with client.session() as session:
            await verb(session, workflow, *args, who=who(), **options)
            await session.commit()
            return (await views.get(session, workflow)).state

    state = run(command)
    say(as_json, {"id": workflow, "state": state}, f"Workflow {workflow} {done}.")


async def _read(client: Client, workflow: UUID) -> tuple[dict[str, Any], list[views.Place], dict[UUID, views.Outcome]]:
    """The workflow, its steps, and the jobs and results of those."""
    async with client.session() as session:
        found = await views.get(session, workflow)
        progress = (await views.progress(session, [workflow]))[workflow]
        return _summary(found, progress), await views.graph(session, workflow), await views.outcomes(session, workflow)


def _summary(workflow: Workflow, progress: views.Progress) -> dict[str, Any]:
    names = ("id", "name", "owner", "state", "created_at", "finished_at", "deadline", "error")
    return {name: getattr(workflow, name) for name in names} | {"id": str(workflow.id)} | vars(progress)


def _step(place: views.Place, outcomes: dict[UUID, views.Outcome]) -> dict[str, Any]:
    names = ("name", "kind", "state", "total", "ended", "failed", "started_at", "finished_at", "error")
    fields = {name: getattr(place.step, name) for name in names} | outcomes.get(
        place.step.id, views.Outcome()
    )._asdict()
    return fields | {"after": place.after, "layer": place.layer, "row": place.row}


def _done(step: Any) -> str:
    return f"{step.ended}/{'?' if step.total is None else step.total}" if step.kind in ("group", "map") else ""


def _clock(moment: Any) -> str:
    return f"{moment:%H:%M:%S}" if moment else ""
