"""The SQL of accounts. Parameters are asyncpg's; all times are the database's.

Whoever calls is looked up on every request, so that what is revoked or disabled is shut out with the next one. Only
pages that are open and refresh themselves are looked up together, once a second.
"""

# The key of a prefix, if it may be used now; whether the key shown is the right one, the hashes say: prefix.
KEY = """
select id, name, key_hash, case when previous_until > now() then previous_hash end as previous_hash,
       scopes, queues, actors, networks, coalesce(last_used_at < now() - interval '1 minute', true) as is_stale
from api_keys
where prefix = $1 and revoked_at is null and coalesce(expires_at > now(), true)
"""

# It was used, at most one row version a minute: id.
KEY_USED = """
update api_keys set last_used_at = now()
where id = $1 and coalesce(last_used_at < now() - interval '1 minute', true)
"""

# Whose session a token opens: hash of the token, seconds after which an unused session is over.
SESSION = """
select u.id, u.name, u.role, s.seen_at < now() - interval '1 minute' as is_stale
from user_sessions s join users u on u.id = s.user_id
where s.token_hash = $1 and u.disabled_at is null
  and s.expires_at > now() and s.seen_at > now() - make_interval(secs => $2)
"""

# The same of many sessions at once: hashes of the tokens, seconds after which an unused session is over.
SESSIONS = """
select s.token_hash, u.id, u.name, u.role, s.seen_at < now() - interval '1 minute' as is_stale
from user_sessions s join users u on u.id = s.user_id
where s.token_hash = any($1::bytea[]) and u.disabled_at is null
  and s.expires_at > now() and s.seen_at > now() - make_interval(secs => $2)
"""

# They were used, at most one row version a minute: hashes of the tokens.
SESSIONS_SEEN = """
update user_sessions set seen_at = now()
where token_hash = any($1::bytea[]) and seen_at < now() - interval '1 minute'
"""

# It was used, at most one row version a minute: hash of the token.
SESSION_SEEN = """
update user_sessions set seen_at = now() where token_hash = $1 and seen_at < now() - interval '1 minute'
"""

# Somebody signed in: hash of the token, user, address, browser, seconds until it ends.
OPEN_SESSION = """
insert into user_sessions (token_hash, user_id, address, browser, expires_at)
values ($1, $2, $3, $4, now() + make_interval(secs => $5))
"""

# Sessions that are over, and attempts that no longer count (after so many seconds), some at each sign-in.
SWEEP_SESSIONS = """
delete from user_sessions where token_hash in (
    select token_hash from user_sessions where expires_at < now() order by expires_at limit 100)
"""
SWEEP_ATTEMPTS = """
delete from login_attempts where key in (
    select key from login_attempts where since < now() - make_interval(secs => $1) order by since limit 100
    for update skip locked)
"""

# An attempt to sign in is counted before the password is looked at, so that a thousand at once count as a thousand:
# key, seconds attempts count. Returns the count, this one included, and the seconds until it begins anew.
ATTEMPT = """
insert into login_attempts as a (key) values ($1)
on conflict (key) do update set
    attempts = case when a.since < now() - make_interval(secs => $2) then 1 else a.attempts + 1 end,
    since = case when a.since < now() - make_interval(secs => $2) then now() else a.since end
returning attempts, extract(epoch from since + make_interval(secs => $2) - now())::float8 as again_in
"""

# Who signs in has not guessed: neither under the name, nor, this time, from the address: keys.
FORGIVE_NAME = "delete from login_attempts where key = $1"
FORGIVE_ONE = "update login_attempts set attempts = attempts - 1 where key = $1 and attempts > 0"

# Is there anybody at all?
ANY_ACCOUNT = """
select exists (select from users where disabled_at is null)
    or exists (select from api_keys where revoked_at is null and coalesce(expires_at > now(), true))
"""
