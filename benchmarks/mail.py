"""How fast mails leave: one worker process, a local SMTP server, a row for each mail, claimed and settled."""

from dataclasses import dataclass

from benchmarks import memory
from benchmarks.place import Place
from benchmarks.scenarios import Measured, Scenario
from benchmarks.systems import Callboard, System
from tests.support.process import Process
from tests.support.waiting import wait_for

_LIMIT = 180.0


@dataclass(frozen=True)
class Mail(Scenario):
    """Everything is enqueued while no worker runs; from the first claim to the last job's end, by the rows."""

    async def measure(self, place: Place, system: System) -> Measured:
        await place.clean()
        log = place.home / "smtp.log"
        log.unlink(missing_ok=True)  # the last round's says another port
        sink = Process(("python", "-m", "benchmarks.smtp_sink"), place.environment, log)
        before = dict(place.environment)
        try:
            await sink.says("listening on")
            place.environment |= {
                "EMAIL_PROVIDER": "smtp",
                "SMTP_HOST": "127.0.0.1",
                "SMTP_SECURITY": "none",
                "SMTP_PORT": sink.output.rpartition("listening on ")[2].split()[0],
            }
            enqueued = float(await place.run("python", "-m", "benchmarks.enqueue_mail", str(self.count)))
            async with system.running(place) as processes:
                await wait_for(lambda: self._is_done(place), _LIMIT, "the last mail")
                held = memory.of_system(processes)
        finally:
            place.environment.clear()
            place.environment.update(before)
            sink.stop()
        taken = int(sink.output.rpartition("mails taken: ")[2].split()[0])
        seconds = await self._seconds(place, taken)
        figures = {"mails/s": self.count / seconds, "mails enqueued/s": self.count / enqueued}
        return Measured(figures, held, {"seconds": seconds, "taken": taken})

    async def _is_done(self, place: Place) -> bool:
        async with place.database() as database:
            return not await database.fetchval("select exists (select from jobs where outcome is null)")

    async def _seconds(self, place: Place, taken: int) -> float:
        async with place.database() as database:
            seconds, sent = await database.fetchrow(
                "select extract(epoch from max(j.finished_at) - min(j.started_at))::float8,"
                " count(*) filter (where e.status = 'sent' and e.attempts = 1)"
                " from jobs j join emails e on e.job_id = j.id"
            )
        if not self.count == sent == taken:
            raise RuntimeError(f"{self.title}: of {self.count} mails {sent} are sent, and {taken} arrived.")
        return float(seconds)


MAIL = Mail(
    "smtp",
    "5,000 mails by SMTP",
    5_000,
    (Callboard(8),),
    {"mails/s": "≥ 400/s", "mails enqueued/s": ""},
)
