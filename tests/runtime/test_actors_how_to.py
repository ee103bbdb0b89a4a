"""docs/how-to/actors.md does what it says: its samples are put together, run by a worker, and their ends looked at."""

import re
from collections import defaultdict
from pathlib import Path

from runtime.client import Client
from tests.conftest import StartProcess
from tests.runtime.observing import fetch, value
from tests.support.process import ROOT, Process

PAGE = (ROOT / "docs/how-to/actors.md").read_text()


def files() -> dict[str, str]:
    found: defaultdict[str, str] = defaultdict(str)
    for name, text in re.findall(r'```(?:python|sql) title="([^"]+)"\n(.*?)```', PAGE, flags=re.DOTALL):
        found[name] += text
    return found


async def test_the_samples_run_as_they_are_written(
    client: Client,
    scheduler: StartProcess,
    processes: list[Process],
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """Given a scheduler and a worker that knows the page's actors, when they are enqueued as the page does it, then
    each gives what the page says, and what is to be done once was."""
    # Given
    for name, text in files().items():
        (tmp_path / name).write_text(text)
    (tmp_path / "numbers.txt").write_text("".join(f"{number}\n" for number in range(1, 251)))
    async with client.database.connection() as connection:
        tables = files()["shop.sql"]
        for table in re.findall(r"create table (\w+)", tables):
            await connection.execute(f"drop table if exists {table}")
        await connection.execute(tables)
    path = {"PYTHONPATH": f"{ROOT}:{tmp_path}"}
    worker = Process(
        ["dramatiq", "actors", "shop", "--processes", "1", "--threads", "4"],
        environment | path,
        tmp_path / "worker.log",
    )
    processes.append(worker)
    await worker.says("Worker process is ready for action")
    await scheduler()

    # When
    script = Process(["python", "try_them.py", "numbers.txt"], environment | path, tmp_path / "try_them.log")
    processes.append(script)
    assert await script.ended() == 0, script.output

    # Then
    said = dict(line.split(" ", 1) for line in script.output.splitlines())
    child = said.pop("remind")
    assert await value(client, "select actor from jobs where id = $1::uuid", child) == "book"
    crunched = re.fullmatch(r"(\d+) of 1000", said.pop("crunch"))
    assert crunched
    assert int(crunched[1]) < 1000
    assert said == {
        "book": "booked 7", "bill": "5", "add_up": str(sum(range(1, 251))), "ship": "receipt-7 shipped",
        "close_day": "2", "collect": "run 3", "print_labels": "3", "report": "attempt 1",
    }  # fmt: skip
    assert [row["order_id"] for row in await fetch(client, "select * from bills order by 1")] == [1, 2, 3, 4, 5]
    assert [row["order_id"] for row in await fetch(client, "select * from reservations")] == [7]
    assert await value(client, "select count(*) from labels") == 3
    assert await value(client, "select count(*) from job_logs where message like '%out of time%'") == 1
