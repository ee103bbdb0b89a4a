"""The SQL of housekeeping: tokens, desktop sessions, deployments, a directory's users."""

# Tokens that expired, or were revoked, longer ago than that: seconds, most.
DELETE_TOKENS = """
delete from access_tokens where id = any(array(
    select id from access_tokens
    where expires_at < now() - make_interval(secs => $1) or revoked_at < now() - make_interval(secs => $1)
    limit $2 for update skip locked
))
"""

# active -> inactive, the longest silent first: seconds of silence, most. One that says something meanwhile stays.
END_SESSIONS = """
update desktop_sessions set status = 'inactive', ended_at = now(),
    ended_reason = 'Nothing was heard of it since ' || to_char(last_seen_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')
                   || ' UTC.'
where id = any(array(
    select id from desktop_sessions
    where status = 'active' and last_seen_at < now() - make_interval(secs => $1)
    order by last_seen_at limit $2 for update skip locked
))
"""

# pending or running -> failed, the longest silent first: that status, seconds of silence, most.
FAIL_DEPLOYMENTS = """
update deployment_jobs set status = 'failed', finished_at = now(),
    reason = case status when 'pending' then 'It was not started: nothing was heard of it since '
                         else 'It was started, and nothing was heard of it since ' end
             || to_char(updated_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC.'
where id = any(array(
    select id from deployment_jobs
    where status in ('pending', 'running') and status = $1 and updated_at < now() - make_interval(secs => $2)
    order by updated_at limit $3 for update skip locked
))
"""

# Two syncs take turns; readers do not wait.
LOCK_USERS = "lock table domain_users in share row exclusive mode"

COUNT_USERS = "select count(*) from domain_users"

# Make the table what the directory has: GUIDs, account names, mails, display names, enabled. One statement, so that
# nobody sees half of it; what it compares with is what was there before it.
REPLACE_USERS = """
with found as materialized (
    select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bool[])
        as f(object_guid, account_name, mail, display_name, enabled)
), compared as materialized (
    select (d.object_guid is null) as is_new,
           (d.account_name, d.mail, d.display_name, d.enabled)
               is distinct from (f.account_name, f.mail, f.display_name, f.enabled) as differs
    from found f left join domain_users d using (object_guid)
), gone as (
    delete from domain_users d where not exists (select from found f where f.object_guid = d.object_guid) returning 1
), written as (
    insert into domain_users (object_guid, account_name, mail, display_name, enabled) select * from found
    on conflict (object_guid) do update set
        account_name = excluded.account_name, mail = excluded.mail, display_name = excluded.display_name,
        enabled = excluded.enabled, synced_at = now()
)
select count(*) filter (where is_new) as added, count(*) filter (where differs and not is_new) as changed,
       (select count(*) from gone) as removed, count(*) as users
from compared
"""
