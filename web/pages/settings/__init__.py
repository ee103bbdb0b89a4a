"""/settings: who may come in, what is set, what is masked, and who did what. For administrators (web/rules.py);
/settings/about is for everybody."""

from fastapi import APIRouter
from starlette.responses import RedirectResponse

from web.pages.settings import about, alerts, keys, masking, recorded, retention, sessions, users, values

router = APIRouter()
for part in (users, sessions, keys, values, retention, alerts, masking, recorded, about):
    router.include_router(part.router)


@router.get("/settings")
async def first() -> RedirectResponse:
    return RedirectResponse("/settings/users", 303)
