"""The SQL of e-mails: from the row a caller writes to what a provider's events make of it.

                                       ┌── not sent: try again ──┐
                                       ▼                         │
    queued ──────────── claim ──────▶ sending ───────────────────┤
      ▲                                │ │ │                     └──▶ failed, rejected, suppressed (may be tried again)
      │  at_least_once                 │ │ └── accepted ──▶ sent ──▶ delivered, bounced, opened … (events)
      └──────────────── unknown ◀──────┘ │                  ▲
                           └─────────────┴── event ─────────┘

The claim is committed before the request and the outcome after it, so a run that finds its mail in `sending`, claimed
by an earlier run, knows that nobody knows: that is `unknown`, and the mail's policy says what follows. A run is named
by its job and that job's attempt (`run`); what an earlier one still wants to write changes nothing. Times are the
database's.

Claims and outcomes of many runs are one statement each. It takes the rows that are free (`…_FREE`), so that a row which
somebody holds for long keeps nobody else waiting; what it left out is asked for alone, and waits.
"""

from db.models.emails import STATUSES

_ORDER = "array['" + "', '".join(STATUSES) + "']"

# Mails, as a JSON array of rows: those whose idempotency key is taken are left out of what is returned.
INSERT = """
insert into emails (id, job_id, idempotency_key, policy, providers, mailing_list, tags, addresses, content, subject,
                    template)
select id, job_id, idempotency_key, policy, providers, mailing_list, tags, addresses, content, subject, template
from json_populate_recordset(null::emails, $1::json)
on conflict do nothing
returning id
"""

# The jobs of mails that were written earlier: idempotency keys.
BY_IDEMPOTENCY_KEY = "select idempotency_key, id, job_id from emails where idempotency_key = any($1::text[])"

# queued -> sending, or once more after runs that got nowhere; in the same statement, who of their recipients is on the
# suppression list. Bounces, complaints and addresses put there by hand get nothing; whoever left a list gets nothing of
# that list, but other mail: ids, jobs, the jobs' attempts, may an `unknown` one be sent again. A run whose claim got no
# answer may ask again.
_CLAIM = """
with mine as materialized (
    select e.id, a.run from unnest($1::uuid[], $2::uuid[], $3::int[], $4::bool[]) as a(id, job_id, run, again)
    join emails e on e.id = a.id
    where e.job_id = a.job_id and e.content is not null
      and (e.status in ('queued', 'failed', 'rejected', 'suppressed', 'cancelled') and coalesce(e.run, 0) < a.run
               and not e.accepted @> e.addresses
           or e.status = 'unknown' and coalesce(e.run, 0) < a.run and a.again
           or e.status = 'sending' and e.run = a.run)
    order by e.id for no key update of e{waiting}
), claimed as (
    update emails e set status = 'sending', run = mine.run, claimed_at = now(), updated_at = now(), error = null,
           attempts = e.attempts + (e.run is distinct from mine.run)::int
    from mine where e.id = mine.id
    returning e.*
)
select c.id, c.job_id, c.run, c.content::text, c.subject, c.template, c.policy, c.providers, c.mailing_list, c.tags,
       c.accepted, c.refused::text, extract(epoch from now() - c.held_since)::float8 as held_for,
       array(select s.address from suppressions s
             where s.address = any(c.addresses) and (s.expires_at is null or s.expires_at > now())
               and (s.reason <> 'unsubscribe'
                    or c.mailing_list is not null and s.mailing_list in ('', c.mailing_list))) as suppressed
from claimed c
"""
CLAIM, CLAIM_FREE = _CLAIM.format(waiting=""), _CLAIM.format(waiting=" skip locked")

# sending -> unknown: a run before this one claimed it, and what became of it nobody wrote down: id, job, attempt.
DOUBT = """
update emails set status = 'unknown', updated_at = now(),
       error = 'The worker ended, or was given up, while the mail was on its way: it may have been delivered.'
where id = $1 and job_id = $2 and status = 'sending' and run < $3
returning id
"""

# What is known of a mail that cannot be claimed; for how many seconds an unknown one has been so.
STATE = """
select status, policy, job_id, providers, tags, provider, provider_id, addresses, accepted, refused::text, error,
       extract(epoch from now() - claimed_at)::float8 as claimed_for, content is null as is_forgotten
from emails where id = $1
"""

# What runs made of their mails, as a JSON array: id, job, run, status, accepted (whom a provider has it for by now),
# refused, suppressed, provider, provider_id (its own id of the mail), error, held (its provider takes no mail of ours
# at all, so it waits, and the claim does not count). An event may have been faster, and knows better: then the mail is
# not open any more, and all that the run adds is whom it knows to have been accepted. Of those that are not returned a
# later run has the mail.
_SETTLE = """
with told as materialized (
    select * from json_to_recordset($1::json) as t(
        id uuid, job_id uuid, run int, status text, accepted text[], refused json, suppressed text[], provider text,
        provider_id text, error text, held bool)
), mine as materialized (
    select e.id, e.job_id, e.run, e.status in ('sending', 'unknown') as is_open
    from told t join emails e on e.id = t.id
    where e.job_id = t.job_id and e.run = t.run order by e.id for no key update of e{waiting}
)
update emails e set
    status = case when is_open then t.status else e.status end,
    accepted = case when is_open then t.accepted
                    else e.accepted || array(select a from unnest(t.accepted) as a where a <> all(e.accepted)) end,
    refused = case when is_open then t.refused else e.refused end,
    error = case when is_open then t.error else e.error end,
    sent_at = case when not is_open or cardinality(t.accepted) > 0 then coalesce(e.sent_at, now()) end,
    attempts = e.attempts - t.held::int, held_since = case when t.held then coalesce(e.held_since, now()) end,
    suppressed = t.suppressed, provider = t.provider, provider_id = coalesce(t.provider_id, e.provider_id),
    updated_at = now()
from mine join told t using (id, job_id, run) where e.id = mine.id
returning e.id, e.job_id, e.run
"""
SETTLE, SETTLE_FREE = _SETTLE.format(waiting=""), _SETTLE.format(waiting=" skip locked")

# Of the mails that wait for a provider which takes none of ours: how many, counted no further than a limit, since when
# the first does, and what is said of it. No row: none, or people were told since the first has waited, or within the
# window: key of the alert, limit, seconds of the window.
HELD = """
select count(*) as mails, min(held_since) as since, (array_agg(error order by held_since))[1] as error
from (select held_since, error from emails
      where held_since is not null and status in ('queued', 'sending') order by held_since limit $2) held
having count(*) > 0 and not exists (
    select from alerts a where a.key = $1
      and (a.sent_at >= min(held_since) or a.sent_at > now() - make_interval(secs => $3)))
"""

_LEFT_BEHIND = """
    updated_at = now(), held_since = null,
    status = case when e.status = 'sending' then 'unknown' when j.outcome = 3 then 'cancelled' else 'failed' end,
    error = coalesce(e.error, j.error->>'message',
                     case when j.id is null then 'Its job was deleted before its end was seen.' end)
"""

# Of the mails whose jobs have ended without a word from their actor (cancelled, worker lost at the last attempt): what
# their status says now. Driven by the jobs that ended within so many seconds: seconds.
SETTLE_ENDED = """
update emails e set {left}
from jobs j
where j.outcome in (2, 3) and j.finished_at > now() - make_interval(secs => $1)
  and e.job_id = j.id and e.status in ('queued', 'sending')
returning e.id
""".replace("{left}", _LEFT_BEHIND)

# The same for jobs that ended when nobody looked, or are gone. Driven by the mails that are not settled, the next after
# an id: id, most. Returns how many were looked at, the last one's id, and how many of them were settled.
SETTLE_LEFT = """
with looked as materialized (
    select id, job_id from emails where status in ('queued', 'sending') and id > $1 order by id limit $2
), settled as (
    update emails e set {left}
    from looked l left join jobs j on j.id = l.job_id
    where e.id = l.id and e.job_id = l.job_id and e.status in ('queued', 'sending')
      and (j.id is null or j.outcome is not null)
    returning e.id
)
select count(*) as looked, (select id from looked order by id desc limit 1) as last,
       (select count(*) from settled) as settled
from looked
""".replace("{left}", _LEFT_BEHIND)

# Whom a provider has it for, without those whom it has refused since: it took the mail for them and dropped it.
_KEPT = """array(select a from unnest(e.accepted) as a where not exists (
    select from email_events v where v.email_id = e.id and v.recipient = a and v.type in ('rejected', 'failed')
                                 and v.recorded_at >= e.claimed_at))"""

# One more job for mails that did not get to everybody: ids, the new jobs. Those that are not returned make no sense in
# their status.
RESEND = """
update emails e set status = case when status = 'unknown' then 'queued' else status end, accepted = {kept},
       job_id = t.job_id, run = null, held_since = null, updated_at = now()
from unnest($1::uuid[], $2::uuid[]) as t(id, job_id)
where e.id = t.id and content is not null and not {kept} @> addresses
  and status in ('failed', 'rejected', 'suppressed', 'cancelled', 'unknown')
returning e.id, e.job_id
""".replace("{kept}", _KEPT)

# Can it be sent again, has nobody done so, and is it asked for: address, tag, template, a part of what was answered,
# each null if any will do.
_FITS = """
    content is not null and not {kept} @> addresses
    and not exists (select from jobs j where j.id = e.job_id and j.outcome is null)
    and ($1::text is null or addresses @> array[$1]) and ($2::text is null or tags @> array[$2])
    and ($3::text is null or template = $3)
    and ($4::text is null or strpos(lower(concat(error, ' ', refused::text)), lower($4)) > 0)
""".replace("{kept}", _KEPT)

# What to send again, oldest first: those of _FITS, status, after when and id, the job that asks (what was made after it
# is left alone), most.
TO_RESEND = """
select e.id, e.created_at from emails e
where status = $5 and status not in ('queued', 'sending', 'sent') and (created_at, id) > ($6, $7)
  and created_at < (select created_at from jobs where id = $8) and {fits}
order by created_at, id limit $9
""".replace("{fits}", _FITS)

# How many those are among the newest of that status: those of _FITS, status, since, how many are looked at.
COUNT_TO_RESEND = """
select count(*) filter (where fits)::int as mails, count(*) >= $7 as is_capped
from (
    select ({fits}) as fits from emails e
    where status = $5 and status not in ('queued', 'sending', 'sent') and created_at >= $6
    order by created_at desc limit $7
) newest
""".replace("{fits}", _FITS)

# Events, as a JSON array; an event that is here already is left out. Returns those that are new (provider, event_id,
# recipient), and how many mails they moved. A mail is found by our own id, which travels with
# it, or by the provider's. What an event says of its mail only ever moves it on (db/models/emails.py: STATUSES).
RECORD_EVENTS = """
with said as (
    select *, case type when 'queued' then 'sent' when 'failed' then 'rejected' else type end as status
    from json_to_recordset($1::json) as t(
        provider text, event_id text, recipient text, email_id uuid, provider_id text, type text,
        occurred_at timestamptz, reason text, description text, details json)
), found as (
    select s.*, coalesce(
        (select e.id from emails e where e.id = s.email_id),
        (select e.id from emails e where e.provider_id = s.provider_id and s.provider_id is not null limit 1)) as mail
    from said s
), recorded as (
    insert into email_events (provider, event_id, recipient, email_id, type, occurred_at, reason, description, details)
    select provider, event_id, recipient, mail, type, occurred_at, reason, description, details from found
    on conflict on constraint email_events_once do nothing
    returning provider, event_id, recipient
), new as (
    select distinct f.* from (select provider, event_id, recipient, mail, status, description from found) f
    join recorded r using (provider, event_id, recipient)
), gravest as (
    select mail, max(array_position({order}, status)) as rank,
           (array_agg(description order by array_position({order}, status) desc nulls last))[1] as description
    from new where mail is not null and status = any({order}) group by mail
), moved as (
    update emails e set
        status = ({order})[greatest(g.rank, array_position({order}, e.status))],
        error = case when g.rank >= array_position({order}, e.status)
                     then case when ({order})[g.rank] in ('rejected', 'bounced', 'complained', 'deferred')
                               then g.description end
                     else e.error end,
        accepted = case when e.accepted = '{}' then e.addresses else e.accepted end,
        sent_at = coalesce(e.sent_at, now()), updated_at = now()
    from gravest g where e.id = g.mail
    returning e.id
)
select array(select array[provider, event_id, recipient] from recorded) as recorded,
       (select count(*) from moved) as moved
""".replace("{order}", _ORDER)

# Retention: the words of mails older than so many seconds; then the mails themselves, those that somebody did not get
# later. `unknown` ones wait until somebody has settled them: seconds, most.
FORGET_CONTENT = """
update emails set content = null where id = any(array(
    select id from emails
    where created_at < now() - make_interval(secs => $1) and content is not null
      and status not in ('queued', 'sending', 'unknown')
    order by created_at limit $2 for update skip locked
))
"""
DELETE_OLD = """
delete from emails where id = any(array(
    select id from emails
    where created_at < now() - make_interval(secs => $1)
      and status not in ('queued', 'sending', 'unknown', 'failed', 'rejected', 'bounced')
    order by created_at limit $2 for update skip locked
))
"""
DELETE_OLD_FAILED = """
delete from emails where id = any(array(
    select id from emails
    where created_at < now() - make_interval(secs => $1) and status in ('failed', 'rejected', 'bounced')
    order by created_at limit $2 for update skip locked
))
"""

# Events of mails that are none of ours, recorded more than so many seconds ago: seconds, most. Those of ours go with
# their mails.
DELETE_STRAY_EVENTS = """
delete from email_events where id = any(array(
    select id from email_events
    where recorded_at < now() - make_interval(secs => $1) and email_id is null
    order by recorded_at limit $2 for update skip locked
))
"""
