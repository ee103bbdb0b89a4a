"""The SQL of the suppression list."""

# Put addresses on it, as a JSON array, `since` a moment or now; one that is there stays as it is, but neither ends nor
# began earlier than the new one.
ADD = """
insert into suppressions (address, reason, mailing_list, email_id, note, added_by, created_at, expires_at)
select lower(address), reason, coalesce(mailing_list, ''), email_id, note, added_by, least(since, now()),
       now() + make_interval(secs => seconds)
from json_to_recordset($1::json) as t(
    address text, reason text, mailing_list text, email_id uuid, note text, added_by text, since timestamptz,
    seconds float8)
on conflict (address, reason, mailing_list) do update
    set created_at = greatest(suppressions.created_at, excluded.created_at),
        expires_at = case when suppressions.expires_at is null or excluded.expires_at is null then null
                          else greatest(suppressions.expires_at, excluded.expires_at) end
returning address
"""

# Take an address off it: address, reason or null for all of them.
REMOVE = "delete from suppressions where address = lower($1) and ($2::text is null or reason = $2) returning reason"

# Who wants mail again: addresses, the providers that say so, and when that was. It takes back what that provider told
# before; lists that were left by our own link, or since then, stay left.
RESUBSCRIBE = """
delete from suppressions s using unnest($1::text[], $2::text[], $3::timestamptz[]) as t(address, provider, at)
where s.address = t.address and s.reason = 'unsubscribe' and s.mailing_list = '' and s.added_by = t.provider
  and s.created_at <= t.at
"""

DELETE_EXPIRED = "delete from suppressions where expires_at < now()"
