"""The SQL of alerts."""

# May this alert be sent, or was the same one sent within the window? Of those that ask at once one gets a row: key,
# level, title, seconds of the window. `held_back` is how many were not sent since the last one.
RAISE = """
insert into alerts as a (key, level, title) values ($1, $2, $3)
on conflict (key) do update set
    level = $2, title = $3, last_at = now(), sent_at = now(), held_back = 0
    where a.sent_at <= now() - make_interval(secs => $4)
returning (select held_back from alerts o where o.key = $1) as held_back
"""

HOLD_BACK = "update alerts set held_back = held_back + 1, last_at = now() where key = $1"

DELETE_OLD = "delete from alerts where last_at < now() - make_interval(secs => $1)"
