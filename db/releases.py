"""The SQL of releases: what was deployed, and when it was first seen."""

# Those first seen within a while, the latest first: seconds, most.
LATELY = """
select version, first_seen_at from releases where first_seen_at > now() - make_interval(secs => $1)
order by first_seen_at desc limit $2
"""

# The one that was the latest at a moment.
AT = "select version from releases where first_seen_at <= $1 order by first_seen_at desc limit 1"
