"""The SQL of what the store holds, from PostgreSQL's own catalogue: however large the tables, none of them is read.

Rows are the planner's estimate, as the last vacuum or analyze left it.
"""

# Its version, and the bytes of the whole database.
STORE = "select current_setting('server_version') as version, pg_database_size(current_database()) as bytes"

# Each table: rows, bytes of its rows (with what is kept aside of large ones), bytes of its indexes; the largest first.
TABLES = """
select c.relname::text as name,
       case when c.reltuples >= 0 then c.reltuples::bigint
            else coalesce(pg_stat_get_live_tuples(c.oid), 0) end as rows,
       pg_table_size(c.oid) as rows_bytes, pg_indexes_size(c.oid) as index_bytes
from pg_class c where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r'
order by pg_total_relation_size(c.oid) desc, 1
"""

# How rows end, as the planner guesses it from a sample: table, value, share of all its rows.
SHARES = """
select s.tablename::text as name, common.value, common.share::float8 as share
from pg_stats s
cross join lateral unnest(s.most_common_vals::text::text[], s.most_common_freqs) as common(value, share)
where s.schemaname = current_schema()
  and (s.tablename, s.attname) in (('jobs', 'outcome'), ('workflows', 'state'), ('emails', 'status'),
                                   ('webhook_deliveries', 'outcome'))
"""

# The latest job of each of these actors that has ended: actors.
LAST_RUNS = """
select wanted.actor, j.id, j.outcome, j.finished_at
from unnest($1::text[]) wanted(actor)
cross join lateral (
    select id, outcome, finished_at from jobs where actor = wanted.actor and outcome is not null
    order by created_at desc limit 1
) j
"""
