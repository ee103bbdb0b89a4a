"""What the tests see of workflows."""

import uuid
from typing import Any

from sqlalchemy import select

from db.models import Workflow, WorkflowStep
from runtime.client import Client
from services import workflows
from tests.support.waiting import wait_for

ENDED = ("succeeded", "failed", "cancelled", "compensated")


async def start(client: Client, flow: workflows.Flow, **options: Any) -> uuid.UUID:
    async with client.session() as session:
        started = await workflows.start(session, flow, **options)
        await session.commit()
    return started.id


async def act(client: Client, verb: Any, workflow: uuid.UUID, *args: Any, **options: Any) -> None:
    async with client.session() as session:
        await verb(session, workflow, *args, who="ada", **options)
        await session.commit()


async def reaches(client: Client, workflow: uuid.UUID, *states: str, timeout: float = 60) -> Workflow:
    async def look() -> Workflow | None:
        async with client.session() as session:
            found = await session.get(Workflow, workflow)
        return found if found is not None and found.state in states else None

    try:
        return await wait_for(look, timeout, f"workflow {workflow} to be {' or '.join(states)}")
    except AssertionError as error:
        raise AssertionError(f"{error}; steps: {await states_of(client, workflow)}") from None


async def ended(client: Client, workflow: uuid.UUID, timeout: float = 60) -> Workflow:
    return await reaches(client, workflow, *ENDED, timeout=timeout)


async def steps(client: Client, workflow: uuid.UUID) -> list[WorkflowStep]:
    async with client.session() as session:
        found = select(WorkflowStep).where(WorkflowStep.workflow_id == workflow).order_by(WorkflowStep.number)
        return list(await session.scalars(found))


async def step(client: Client, workflow: uuid.UUID, name: str) -> WorkflowStep:
    return next(one for one in await steps(client, workflow) if one.name == name)


async def states_of(client: Client, workflow: uuid.UUID) -> dict[str, str]:
    return {one.name: one.state for one in await steps(client, workflow)}


async def step_reaches(client: Client, workflow: uuid.UUID, name: str, *states: str) -> WorkflowStep:
    async def look() -> WorkflowStep | None:
        found = await step(client, workflow, name)
        return found if found.state in states else None

    return await wait_for(look, what=f"the step {name} to be {' or '.join(states)}")
