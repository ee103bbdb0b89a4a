"""The SQL of saved views."""

# A view under a name, in place of the one that had it: user, name, query, most. No row: the person has so many already.
SAVE = """
insert into saved_views as v (user_id, name, query)
select $1, $2, $3
where (select count(*) from saved_views where user_id = $1 and name <> $2) < $4
on conflict (user_id, name) do update set query = excluded.query, saved_at = now()
returning name
"""

# user, name, another name. No row: there is no such view. Raises a unique violation where the other name is taken.
RENAME = "update saved_views set name = $3 where user_id = $1 and name = $2 returning name"

# user, name. No row: there is no such view.
DELETE = "delete from saved_views where user_id = $1 and name = $2 returning name"
