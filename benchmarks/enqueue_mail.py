"""Enqueues mails, in a process of its own: `python -m benchmarks.enqueue_mail 5000`. Prints the seconds it took."""

import asyncio
import sys
import time

from runtime.client import Client
from services import email
from settings import settings

WORDS = "Dear reader,\n\nthe curtain rises at eight.\n" * 20


async def main(count: int) -> float:
    everybody = [email.To(f"reader-{number}@example.com") for number in range(count)]
    async with Client.open(settings()) as client, client.session() as session:
        started = time.perf_counter()
        await email.send_bulk(session, everybody, subject="The programme", text=WORDS, html=f"<p>{WORDS}</p>")
        await session.commit()
        return time.perf_counter() - started


if __name__ == "__main__":
    print(asyncio.run(main(int(sys.argv[1]))))
