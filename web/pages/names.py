"""What stands in addresses: names, as long and odd as they may be (PostgreSQL takes no NUL)."""

from typing import Annotated

from fastapi import Path

Name = Annotated[str, Path(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
