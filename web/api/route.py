"""How an API route reads its request: as strict JSON."""

import json
from typing import Any

from fastapi import HTTPException, Request, Response

from errors import BadRequest
from web.route import PATIENCE, Handler, TimedRoute


class StrictRoute(TimedRoute):
    """Refuse JSON that two readers could understand differently, before FastAPI looks at it."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            if self.body_field is not None:
                request = StrictRequest(request.scope, request.receive)
                if self.body_field.field_info.is_required() or await request.body():
                    await request.json()
            return await handle(request)

        return handle_strictly


class PatientRoute(StrictRoute):
    """For requests that wait for something on purpose."""

    patience = PATIENCE + 60


class StrictRequest(Request):
    """A request whose `json()` raises errors of ours."""

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            self._json = _parse(self.headers.get("content-type", ""), await self.body())
        return self._json


def _parse(content_type: str, body: bytes) -> Any:
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "Send JSON, with the header `Content-Type: application/json`.")
    try:
        return json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError:
        raise BadRequest("The body is nested too deep. Flatten it.") from None
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8.") from None
    except ValueError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} is there twice")
        found[key] = value
    return found


def _constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")
