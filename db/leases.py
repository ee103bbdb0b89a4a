"""The SQL of leadership: one row per thing that is led, with a term that only grows."""

# Take a lease that nobody holds, or whose holder let it run out: name, holder, seconds. Returns the new term.
ACQUIRE = """
insert into leases as l (name, holder, term, expires_at) values ($1, $2, 1, now() + make_interval(secs => $3))
on conflict (name) do update set holder = $2, term = l.term + 1, since = now(),
    expires_at = now() + make_interval(secs => $3)
where l.expires_at <= now()
returning term
"""

# Hold on to it: name, holder, term, seconds. No row: it was lost.
RENEW = """
update leases set expires_at = now() + make_interval(secs => $4)
where name = $1 and holder = $2 and term = $3 and expires_at > now()
returning term
"""

# Give it up, so that the next one need not wait: name, holder, term.
RESIGN = "update leases set expires_at = now() where name = $1 and holder = $2 and term = $3"
