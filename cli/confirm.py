"""What cannot be taken back is asked about before it is done."""

from typing import Annotated

import typer

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def confirm(question: str, yes: bool) -> None:
    """Ends the command unless the answer is yes, or was given with --yes."""
    if not yes:
        typer.confirm(question, abort=True, err=True)  # the output may be read by a program
