"""The guards of leases and of worker processes: db/leases.py, db/workers.py."""

from db import leases, workers
from tests.guards.frame import Case
from tests.guards.rows import ANOTHER_WORKER, LEADS, ME, RUNNING, SUCCEEDS, WORKERS, leader, other

SILENT = WORKERS + "update workers set heartbeat_at = now() - interval '1 h';" + LEADS
OVER = "update leases set expires_at = now() - interval '1 s';"

CASES = [
    Case(leases, "ACQUIRE", LEADS + OVER, ["scheduling", ME, 60.0], {
        "l.expires_at <= now()": "update leases set expires_at = now() + interval '1 s';",
    }),
    Case(leases, "RENEW", LEADS, ["scheduling", ME, 7, 60.0], {
        "holder = $2": f"update leases set holder = {other};",
        "term = $3": "update leases set term = 8;",
        "expires_at > now()": OVER,
    }),
    Case(leases, "RESIGN", LEADS, ["scheduling", ME, 7], {
        "holder = $2": f"update leases set holder = {other};",
        "term = $3": "update leases set term = 8;",
    }),
    Case(workers, "BURY", SILENT, [15.0, ME, 7], {
        "heartbeat_at < now() - make_interval(secs => $1)": "update workers set heartbeat_at = now();",
        **leader("$2", "$3"),
    }),
    Case(workers, "RESCUE", RUNNING, [[ME]], {
        "outcome is null": SUCCEEDS,
        "worker = any($1::uuid[])": ANOTHER_WORKER,
    }),
    Case(workers, "UNREGISTER", RUNNING, [ME], {
        "outcome is null": SUCCEEDS,
        "worker = $1": ANOTHER_WORKER,
    }, acts=False),
    Case(workers, "HEARTBEAT_OF_PROCESS", WORKERS, ["me", 1, 0.0], {
        "process = $1": "update workers set process = 'another';",
    }),
]  # fmt: skip
