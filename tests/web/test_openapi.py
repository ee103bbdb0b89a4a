"""What the API's description says is what it does: requests made from it, right and wrong ones, by schemathesis."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.process import Process
from tests.web.callers import BEARER, make_accounts

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
NO_REQUEST = b"Invalid HTTP request received."  # the server's parser says so of what is no HTTP: no API has seen it
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]


async def conform(environment: dict[str, str], processes: list[Process], log: Path, examples: int) -> None:
    """Every operation of the description, with so many right and so many wrong requests."""
    await make_accounts()
    process = Process(("uvicorn", "web:app", "--port", "0"), environment | {"RATE_LIMIT": "0"}, log)
    processes.append(process)
    await process.says("Uvicorn running on")
    found = re.search(r"Uvicorn running on (http://\S+)", process.output)
    assert found
    surprises = await asyncio.to_thread(_surprises, found[1], dict(BEARER), examples)
    assert surprises == [], "\n\n".join(surprises)


def _surprises(url: str, headers: dict[str, str], examples: int) -> list[str]:
    schema = schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json", headers=headers)
    surprises = []
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        for mode in MODES:
            surprises += _asked(result.ok(), mode, headers, examples)
    return surprises


def _asked(operation: Any, mode: GenerationMode, headers: dict[str, str], examples: int) -> list[str]:
    """What was surprising about one operation."""
    checks = CHECKS if operation.path.startswith("/api/") else CHECKS[1:]  # a 503 of /ready is an answer

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case[Any]) -> None:
        answer = case.call(headers=headers, timeout=60)
        if answer.content != NO_REQUEST:
            case.validate_response(answer, checks=checks)

    try:
        ask()
    except Unsatisfiable:
        return []  # there is no wrong request to what takes nothing
    except BaseExceptionGroup as group:
        return [f"{operation.label}: {error}" for error in group.exceptions]
    return []


async def test_no_request_fails_and_no_answer_is_undescribed(
    environment: dict[str, str], processes: list[Process], tmp_path: Path
) -> None:
    await conform(environment, processes, tmp_path / "web.log", examples=2)


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_many_requests(environment: dict[str, str], processes: list[Process], tmp_path: Path) -> None:
    await conform(environment, processes, tmp_path / "web.log", examples=100)
