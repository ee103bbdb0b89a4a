"""A local SMTP server that takes every mail and counts: `python -m benchmarks.smtp_sink`."""

import asyncio
import signal
import sys

import uvloop
from aiosmtpd.smtp import SMTP, Envelope, Session


class Sink:
    """Says on SIGTERM how many mails it took."""

    def __init__(self) -> None:
        self.count = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's)
        self.count += 1
        return "250 OK"


async def main() -> None:
    loop, sink, end = asyncio.get_running_loop(), Sink(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, end.set)
    server = await loop.create_server(lambda: SMTP(sink, hostname="sink", loop=loop), "127.0.0.1", 0)
    print("listening on", server.sockets[0].getsockname()[1], flush=True)
    await end.wait()
    print("mails taken:", sink.count, flush=True)
    server.close()
    sys.exit(0)


if __name__ == "__main__":
    uvloop.run(main())
