"""The worker process's event loop, in a thread of its own."""

import structlog
import uvloop
from dramatiq.asyncio import EventLoopThread
from dramatiq.logging import get_logger

log = structlog.get_logger("callboard")


class LoopThread(EventLoopThread):
    """Dramatiq's, as a daemon on uvloop: should the main thread die, the process must too."""

    def __init__(self) -> None:
        EventLoopThread.__init__(self, get_logger(__name__, "EventLoop"))
        self.loop.close()
        self.loop = uvloop.new_event_loop()
        self.daemon = True
        self._stopping = False

    def run(self) -> None:
        """Run the loop until `stop`, also if a job's sub-task calls sys.exit(), which asyncio lets out of the loop."""
        while not self._stopping:
            try:
                self.loop.run_forever()
            except (SystemExit, KeyboardInterrupt) as error:
                log.error("a task of a job tried to end the process; only its job fails", error=repr(error))  # noqa: TRY400
        self.loop.close()

    def stop(self) -> None:
        """Stop the loop and wait for the thread."""
        self._stopping = True
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.join()
