"""`callboard dead …`: dead letters, the jobs that have failed for good."""

from typing import Annotated

import typer

from cli import jobs, verbs
from cli.confirm import Yes
from cli.filters import filtered
from cli.output import AsJson
from services.search import Filter

app = typer.Typer(help="Dead letters: jobs that have failed for good.", no_args_is_help=True)


@app.command("list")
@filtered
def list_(
    only: Filter,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many.")] = 25,
    before: Annotated[str | None, typer.Option(help="The page after this one.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """The latest dead letters. (`jobs list --state failed` is the same.)"""
    jobs.show_page(_failed(only), limit, before, as_json)


@app.command()
@filtered
def retry(
    only: Filter,
    job_ids: verbs.JobIds = None,
    from_start: verbs.FromStart = False,
    reason: verbs.Reason = None,
    dry_run: verbs.DryRun = False,
    yes: Yes = False,
    wait: verbs.Wait = False,
    as_json: AsJson = False,
) -> None:
    """Run dead letters again: those named, or all that fit; without any option, all there are."""
    only = only if job_ids else _failed(only)
    verbs.retry_these(only, job_ids, None, from_start, reason, dry_run, yes, wait, as_json)


def _failed(only: Filter) -> Filter:
    return only.model_copy(update={"state": "failed"})
