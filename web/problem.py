"""Problem documents (RFC 9457): the one shape in which the web process says no."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    """What is wrong with one field of what was sent."""

    path: str  # kwargs.to[3]
    message: str


class Problem(BaseModel):
    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError]


def problem(
    status: int,
    detail: str,
    kind: str = "about:blank",
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The response. `kind` is for programs, a URI that stays; `about:blank` says no more than the status does."""
    document = Problem(type=kind, title=HTTPStatus(status).phrase, status=status, detail=detail, errors=list(errors))
    return Response(document.model_dump_json(), status, headers, MEDIA_TYPE)


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """These answers, for a route's `responses`: what the API's description says about them."""
    schema = Problem.model_json_schema()
    schema["properties"]["errors"]["items"] = schema.pop("$defs")["FieldError"]
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }
