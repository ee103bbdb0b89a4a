"""/api/v1/about: which Callboard this is, what it stands on, and how much it keeps."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from runtime.client import Client
from services import about
from web.api.route import StrictRoute

router = APIRouter(prefix="/about", tags=["about"], route_class=StrictRoute)


class TableDocument(BaseModel):
    """A table of the database; sizes are bytes."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    name: str
    rows: int = Field(description="The planner's estimate.")
    rows_bytes: int
    index_bytes: int


class AboutDocument(BaseModel):
    """Versions and sizes, from PostgreSQL's catalogue alone: it costs the same however much there is."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    callboard: str
    python: str
    dramatiq: str
    postgresql: str
    redis: str | None = Field(description="Its name and version; null if it does not answer.")
    revision: str | None = Field(description="The migration that the database is at.")
    wanted_revision: str | None = Field(description="The migration that this version of the code wants.")
    bytes: int = Field(description="Of the whole database.")
    tables: list[TableDocument] = Field(description="The largest first.")


@router.get("")
async def one(request: Request) -> AboutDocument:
    """Which versions run here, and how large the store is."""
    client: Client = request.app.state.client
    return AboutDocument.model_validate(await about.about(client))
