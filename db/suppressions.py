"""The SQL of the suppression list."""

# Put addresses on it, as a JSON array; one that is there stays as it is, but does not end earlier than the new one.
ADD = """
insert into suppressions (address, reason, mailing_list, email_id, note, added_by, expires_at)
select lower(address), reason, coalesce(mailing_list, ''), email_id, note, added_by,
       now() + make_interval(secs => seconds)
from json_to_recordset($1::json) as t(
    address text, reason text, mailing_list text, email_id uuid, note text, added_by text, seconds float8)
on conflict (address, reason, mailing_list) do update
    set expires_at = case when suppressions.expires_at is null or excluded.expires_at is null then null
                          else greatest(suppressions.expires_at, excluded.expires_at) end
returning address
"""

# Take an address off it: address, reason or null for all of them.
REMOVE = "delete from suppressions where address = lower($1) and ($2::text is null or reason = $2) returning reason"

# What the provider says that its users want again: addresses.
RESUBSCRIBE = "delete from suppressions where address = any($1::text[]) and reason = 'unsubscribe'"

DELETE_EXPIRED = "delete from suppressions where expires_at < now()"
