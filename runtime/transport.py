"""What lies in Redis: Dramatiq's own lists and hashes, the ids of our messages in them, and the scripts that move them.

<ns>:<queue>                     list of ids waiting to be fetched, most urgent first
<ns>:<queue>.msgs                hash of id -> encoded message
<ns>:__acks__.<worker>.<queue>   set of ids fetched and not yet acknowledged
<ns>:<queue>.XQ, .XQ.msgs        the dead letters, as dramatiq-dashboard shows them
<ns>:mark                        there as long as Redis has not lost its memory
<ns>:wake                        channel on which relays are told that there is something to send
<ns>:control                     channel on which workers are told that somebody wants something of a run, or of a queue
<ns>:ended                       channel on which those who wait for jobs are told which runs are over: ids, as jobs or
                                 messages have them, spaces between
<ns>:schedules                   channel on which schedulers are told that a schedule was changed
<ns>:changed                     channel on which watchers are told which topics have changed: "queues", "jobs,job:<id>"
"""

import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

import dramatiq
import orjson
from dramatiq import Encoder, Message
from dramatiq.errors import DecodeError

NAMESPACE = "dramatiq"
WAKE = f"{NAMESPACE}:wake"
CONTROL = f"{NAMESPACE}:control"
ENDED = f"{NAMESPACE}:ended"
SCHEDULES = f"{NAMESPACE}:schedules"
CHANGED = f"{NAMESPACE}:changed"
MARK = f"{NAMESPACE}:mark"
HEARTBEATS = f"{NAMESPACE}:__heartbeats__"
MOST = 1_000  # messages in one call of a script: Lua's stack holds some thousands of values
TRANSPORT_OPTIONS = frozenset({"redis_message_id", "attempt", "eta", "retries", "traceback", "requeue_timestamp"})

# Appends messages to a queue, in order of urgency: one that is more urgent than the last in the list is put before the
# first that is less urgent than it. KEYS: list, hash. ARGV: id, message, id, message ... Ids open with their priority;
# ids of other programs count as priority 0. Only the first 2,000 places are looked at: what waits behind them is other
# programs'. Returns the list's length and the priority at its end.
PUSH = """
local function urgency(id) return tonumber(string.match(id, '^(-?%d+):')) or 0 end
redis.call('hset', KEYS[2], unpack(ARGV))
local last = redis.call('lindex', KEYS[1], -1)
local least = last and urgency(last)
local tail = {}
for i = 1, #ARGV, 2 do
    local mine = urgency(ARGV[i])
    if not least or least <= mine then
        table.insert(tail, ARGV[i])
        least = mine
    else
        if #tail > 0 then redis.call('rpush', KEYS[1], unpack(tail)); tail = {} end
        local ahead, placed = redis.call('lrange', KEYS[1], 0, 1999), false
        for _, other in ipairs(ahead) do
            if urgency(other) > mine then
                redis.call('linsert', KEYS[1], 'before', other, ARGV[i])
                placed = true
                break
            end
        end
        if not placed then redis.call('linsert', KEYS[1], 'after', ahead[#ahead], ARGV[i]) end
    end
end
if #tail > 0 then redis.call('rpush', KEYS[1], unpack(tail)) end
return {redis.call('llen', KEYS[1]), least}
"""

# The same for jobs that have been at the front before: each is put before the first that is not more urgent than it.
PUSH_AHEAD = """
local function urgency(id) return tonumber(string.match(id, '^(-?%d+):')) or 0 end
redis.call('hset', KEYS[2], unpack(ARGV))
for i = #ARGV - 1, 1, -2 do
    local placed = false
    for _, other in ipairs(redis.call('lrange', KEYS[1], 0, 1999)) do
        if urgency(other) >= urgency(ARGV[i]) then
            redis.call('linsert', KEYS[1], 'before', other, ARGV[i])
            placed = true
            break
        end
    end
    if not placed then redis.call('rpush', KEYS[1], ARGV[i]) end
end
local last = redis.call('lindex', KEYS[1], -1)
return {redis.call('llen', KEYS[1]), urgency(last)}
"""

# Takes messages off a queue: what Dramatiq's own script does, in as many commands for many messages as for one.
# KEYS: list, hash, acks, heartbeats. ARGV: most (below Lua's limit of some thousands), milliseconds since 1970, worker.
# Returns the ids and the messages, a nil for one that was a second copy and is acknowledged already.
FETCH = """
redis.call('zadd', KEYS[4], ARGV[2], ARGV[3])
local ids = redis.call('lpop', KEYS[1], ARGV[1])
if not ids then return {{}, {}} end
redis.call('sadd', KEYS[3], unpack(ids))
return {ids, redis.call('hmget', KEYS[2], unpack(ids))}
"""

_TELL = """
if #ours > 0 and redis.call('pubsub', 'numsub', KEYS[#KEYS])[2] > 0 then
    redis.call('publish', KEYS[#KEYS], table.concat(ours, ' '))
end
"""

# Acknowledges messages, those that are still ours to acknowledge, and tells those who wait for their jobs, if anybody
# does. KEYS: acks, hash, channel. ARGV: ids.
ACK = f"""
local ours = {{}}
for i, member in ipairs(redis.call('smismember', KEYS[1], unpack(ARGV))) do
    if member == 1 then table.insert(ours, ARGV[i]) end
end
if #ours > 0 then
    redis.call('srem', KEYS[1], unpack(ours))
    redis.call('hdel', KEYS[2], unpack(ours))
end
{_TELL}
"""

# Moves messages to the dead letters, and tells those who wait. KEYS: acks, hash, XQ, XQ hash, channel. ARGV:
# milliseconds since 1970, ids.
NACK = f"""
local ours = {{}}
for i = 2, #ARGV do
    local message = redis.call('hget', KEYS[2], ARGV[i])
    if redis.call('srem', KEYS[1], ARGV[i]) > 0 and message then
        redis.call('zadd', KEYS[3], ARGV[1], ARGV[i])
        redis.call('hset', KEYS[4], ARGV[i], message)
        redis.call('hdel', KEYS[2], ARGV[i])
        table.insert(ours, ARGV[i])
    end
end
{_TELL}
"""


class Keys(NamedTuple):
    """The Redis keys of a queue."""

    waiting: str
    messages: str
    dead: str
    dead_messages: str

    @classmethod
    def of(cls, queue: str) -> "Keys":
        base = f"{NAMESPACE}:{queue}"
        return cls(base, f"{base}.msgs", f"{base}.XQ", f"{base}.XQ.msgs")

    @staticmethod
    def acks(worker: str, queue: str) -> str:
        return f"{NAMESPACE}:__acks__.{worker}.{queue}"


def redis_id(priority: int, attempt: int, job_id: uuid.UUID) -> str:
    """The id of a job's message in Redis: the same for every copy, so that two copies are one entry of the hash."""
    return f"{priority}:{attempt}:{job_id}"


class Envelope(NamedTuple):
    """An encoded message on its way to Redis."""

    queue: str
    id: str
    data: str  # not orjson's bytes, which keep the room they were written in: many at once cost as much as the encoding
    job_id: uuid.UUID
    attempt: int


class Notice(NamedTuple):
    """Something to say on a channel. Who misses it looks by himself a second later."""

    channel: str
    text: str


def seal(
    *,
    job_id: uuid.UUID,
    actor: str,
    queue: str,
    args: str,
    kwargs: str,
    options: str | None,
    priority: int,
    attempt: int,
    created_ms: int,
) -> Envelope:
    """A job as an ordinary Dramatiq message. `args`, `kwargs` and `options` are JSON text and are passed on unread."""
    message_id = redis_id(priority, attempt, job_id)
    transport = orjson.dumps({"redis_message_id": message_id, "attempt": attempt})
    data = orjson.dumps(
        {
            "queue_name": queue,
            "actor_name": actor,
            "args": orjson.Fragment(args),
            "kwargs": orjson.Fragment(kwargs),
            "options": orjson.Fragment(transport if options is None else _merge(options, transport)),
            "message_id": str(job_id),
            "message_timestamp": created_ms,
        }
    ).decode()
    return Envelope(queue, message_id, data, job_id, attempt)


def sealed(row: Mapping[str, Any]) -> Envelope:
    """The message of a job's row, as DISPATCH returns it."""
    names = ("actor", "queue", "args", "kwargs", "options", "priority", "attempt", "created_ms")
    return seal(job_id=row["id"], **{name: row[name] for name in names})


def _merge(options: str, transport: bytes) -> bytes:
    return orjson.dumps({**orjson.loads(options), **orjson.loads(transport)})


class JSONEncoder(Encoder):
    """Dramatiq's encoder, faster, and refusing what other readers would read differently."""

    def encode(self, data: dict[str, Any]) -> bytes:
        return orjson.dumps(data)

    def decode(self, data: bytes) -> dict[str, Any]:
        try:
            fields = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise DecodeError(f"not JSON: {error}", data, error) from error
        if not isinstance(fields, dict):
            raise DecodeError("not a JSON object", data, TypeError(type(fields).__name__))
        return fields


def decode(data: bytes) -> Message[Any]:
    """A message, its fields of the right kind whoever sent it. Raises DecodeError."""
    message: Message[Any] = dramatiq.Message.decode(data)
    well_formed = (
        isinstance(message.queue_name, str)
        and isinstance(message.actor_name, str)
        and isinstance(message.message_id, str)
        and isinstance(message.message_timestamp, int)
        and isinstance(message.kwargs, dict)
        and isinstance(message.options, dict)
        and all(name not in _OPTIONS or _is_valid(value, _OPTIONS[name]) for name, value in message.options.items())
    )
    if not well_formed:
        raise DecodeError("fields are missing or of the wrong kind", data, TypeError())
    return message


_OPTIONS: dict[str, tuple[type, ...]] = {
    "attempt": (int,),
    "max_retries": (int, type(None)),
    "min_backoff": (int, float),
    "max_backoff": (int, float),
    "time_limit": (int, float),
    "soft_time_limit": (int, float),
    "eta": (int, float, type(None)),
}


def _is_valid(value: Any, kinds: tuple[type, ...]) -> bool:
    return type(value) in kinds and (value is None or 0 <= value < 2**53) and (kinds != (int,) or value < 2**31)
