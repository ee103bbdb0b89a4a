"""TIME: relays what is due and finds what was lost: `python -m scheduling`, any number of times."""
