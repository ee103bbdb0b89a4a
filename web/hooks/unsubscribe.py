"""/unsubscribe/TOKEN: where a reader leaves a mailing list.

A POST does it, without a question: mail programs send one when their reader presses "unsubscribe" (RFC 8058). A GET
only shows a button, since mail scanners open every link there is.
"""

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment

from errors import BadArguments
from providers.email.unsubscribe import PATH, Leaving, read_token
from services import suppressions
from web.headers import PAGES
from web.transaction import Transaction

router = APIRouter()

_PAGE = Environment(autoescape=True).from_string(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex">
<title>{{ title }}</title>
</head>
<body>
<main>
<h1>{{ title }}</h1>
<p>{{ text }}</p>
{% if button %}<form method="post"><button type="submit">{{ button }}</button></form>{% endif %}
</main>
</body>
</html>
"""
)


@router.get(PATH + "{token}")
async def ask(token: str, request: Request) -> Response:
    try:
        leaving = read_token(request.app.state.settings, token)
    except BadArguments:
        return _page("This link does not work", "It is not whole. Copy all of it from the e-mail.", status=404)
    return _page("Leave this list?", f"{_who(leaving)} will get no more of it.", button="Unsubscribe")


@router.post(PATH + "{token}")
async def leave(token: str, request: Request, session: Transaction) -> Response:
    try:
        leaving = read_token(request.app.state.settings, token)
    except BadArguments:
        return _page("This link does not work", "It is not whole. Copy all of it from the e-mail.", status=404)
    await suppressions.leave(session, leaving)
    return _page("You have left this list", f"{_who(leaving)} gets no more of it.")


def _who(leaving: Leaving) -> str:
    return f"{leaving.address}, on the list “{leaving.mailing_list}”,"


def _page(title: str, text: str, *, button: str = "", status: int = 200) -> Response:
    return HTMLResponse(_PAGE.render(title=title, text=text, button=button), status, PAGES)
