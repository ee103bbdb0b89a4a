"""Every answer tells the browser to trust nothing else."""

import httpx

from tests.web.callers import BEARER


async def test_every_kind_of_answer_carries_the_security_headers(
    program: httpx.AsyncClient, stranger: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    answers = {
        200: await program.get("/api/v1/jobs"),
        201: await program.post("/api/v1/jobs", json={"actor": "welcome", "args": ["Ada"]}),
        307: await person.get("/dramatiq"),
        401: await stranger.get("/api/v1/jobs"),
        403: await program.post("/api/v1/jobs", headers={"Sec-Fetch-Site": "cross-site"}),
        404: await program.get("/nothing"),
        405: await program.put("/api/v1/jobs"),
        413: await program.post("/api/v1/jobs", content=b" " * 600_000),
        415: await program.post("/api/v1/jobs", content=b"{}"),
        422: await program.post("/api/v1/jobs", json={}),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert "default-src 'none'" in answer.headers["content-security-policy"], status
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], status
        assert answer.headers["x-content-type-options"] == "nosniff", status
        assert answer.headers["x-frame-options"] == "DENY", status
        assert answer.headers["referrer-policy"] == "no-referrer", status
        assert answer.headers["cache-control"] == "no-store", status
        assert BEARER["Authorization"] not in str(answer.headers), status
