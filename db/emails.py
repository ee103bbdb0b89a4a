"""The SQL of e-mails."""

# What the provider has said so far of a mail that some recipients were refused, kept while its job goes on: id,
# attempt, receipt as JSON. The attempt names the run; no row says that it was given up.
KEEP_RECEIPT = """
update jobs set result = $3::json
where id = $1 and attempt = $2 and state = 'running'
returning id
"""

# The receipt of the attempts before: id.
KEPT_RECEIPT = "select result::text from jobs where id = $1"
