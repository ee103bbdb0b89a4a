"""What others call without a key: each request proves by a signature who sent it."""

from fastapi import APIRouter

from web.hooks import sendgrid, ses, unsubscribe

LARGER = {sendgrid.PATH: sendgrid.MOST_BYTES}  # bodies that may be larger than others

router = APIRouter(include_in_schema=False)
router.include_router(sendgrid.router)
router.include_router(ses.router)
router.include_router(unsubscribe.router)
