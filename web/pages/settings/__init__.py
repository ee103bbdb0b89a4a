"""/settings: who may come in, what is set, what is masked, and who did what. For administrators (web/rules.py)."""

from fastapi import APIRouter
from starlette.responses import RedirectResponse

from web.pages.settings import keys, masking, recorded, sessions, users, values

router = APIRouter()
for part in (users, sessions, keys, values, masking, recorded):
    router.include_router(part.router)


@router.get("/settings")
async def first() -> RedirectResponse:
    return RedirectResponse("/settings/users", 303)
