"""/: what is going on."""

from fastapi import APIRouter, Request, Response

from services import overview
from web.pages.rendering import render
from web.transaction import Transaction

router = APIRouter()


@router.get("/")
async def page(request: Request, session: Transaction) -> Response:
    return render(request, "overview.html", live=await overview.live(session))
