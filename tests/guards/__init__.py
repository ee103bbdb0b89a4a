"""Every guard of every statement, cut out in turn: what each is for, and proof that a test would miss it."""
