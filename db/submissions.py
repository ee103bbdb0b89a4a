"""The SQL of what callers send beside their jobs."""

# Nobody else carries this request out: caller, key, fingerprint, seconds after which a key may be used anew. While
# another transaction has the same key this waits for its end. No row: it was carried out already.
CLAIM = """
insert into idempotency_keys as k (caller, key, fingerprint) values ($1, $2, $3)
on conflict (caller, key) do update set fingerprint = excluded.fingerprint, answer = null, created_at = now()
where k.created_at < now() - make_interval(secs => $4)
returning 1
"""

# caller, key, answer as JSON
ANSWER = "update idempotency_keys set answer = $3::json where caller = $1 and key = $2"

# caller, key
ANSWERED = "select fingerprint, answer from idempotency_keys where caller = $1 and key = $2"

# Some of those that are too old to matter, with each new one: seconds.
SWEEP = """
delete from idempotency_keys where (caller, key) in (
    select caller, key from idempotency_keys where created_at < now() - make_interval(secs => $1)
    order by created_at limit 10 for update skip locked)
"""

# ids, metadata as JSON
KEEP_METADATA = """
insert into job_metadata (job_id, data)
select id, data::json from unnest($1::uuid[], $2::text[]) as m(id, data)
"""
