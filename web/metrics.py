"""/metrics, for Prometheus: with a key that has the scope `metrics`, or open with METRICS_OPEN."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from runtime.client import Client
from services import metrics
from web.problem import described
from web.shared import Shared

KEPT = 5.0  # seconds that an answer is good for, however many ask

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **described(401, 403, 429, 503)},
)
async def exposition(request: Request) -> Response:
    """Jobs by queue, actor and state, workers, the scheduler, and this process."""
    client: Client = request.app.state.client
    kept: Shared[bytes] = request.app.state.metrics
    text = await kept.get("metrics", lambda: metrics.exposition(client.database))
    return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)
