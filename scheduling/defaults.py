"""The schedules that come with the code, seeded by the leading scheduler.

They are made once. What is declared here differently later reaches those that nobody has changed; what a person has
edited, disabled or deleted stays so. `callboard schedules list` says which are whose.

    Default(
        "Token Cleanup (Daily)", "Delete tokens that expired a week ago.",
        "cleanup_expired_tokens", "interval", {"hours": 24}, {"retention_days": 7},
        needs="ldap_url",                # disabled unless this setting is set
        more={"overlap": "queue_one"},   # any other field of services.schedules.ScheduleSpec
    )
"""

from services.schedules import Default

DEFAULTS: list[Default] = []
