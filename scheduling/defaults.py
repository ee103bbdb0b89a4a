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

DEFAULTS: list[Default] = [
    Default(
        "Domain User Sync (Hourly)",
        "Make the table of domain users what the directory has. Disabled without LDAP_URL.",
        "sync_domain_users", "interval", {"hours": 1},
        needs="ldap_url",
    ),
    Default(
        "Token Cleanup (Daily)",
        "Delete tokens that expired, or were revoked, a week ago.",
        "cleanup_expired_tokens", "interval", {"hours": 24}, {"retention_days": 7},
    ),
    Default(
        "Desktop Session Cleanup (Every Minute)",
        "Mark desktop sessions as inactive that have said nothing for two minutes.",
        "cleanup_stale_desktop_sessions", "interval", {"minutes": 1}, {"timeout_minutes": 2},
    ),
    Default(
        "Deployment Job Cleanup (30s)",
        "Mark deployments as failed that are not started, or say nothing any more.",
        "cleanup_stale_deployment_jobs", "interval", {"seconds": 30},
    ),
]  # fmt: skip
