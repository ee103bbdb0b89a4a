"""Faults: processes killed, stopped and cut off while jobs run, and then a count of what became of the jobs.

`make faults` runs those that every release must pass, `make faults ALL=1` also the `long` ones and stock Dramatiq;
`make test` only those that bear no mark. What each run showed is a row of a table and of docs/faults/results.json.
"""
