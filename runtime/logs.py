"""How log lines look: structlog's own and those of the standard library, in one form."""

import logging
from typing import Any

import structlog

from settings import Settings


class Rendered(str):
    """A line as it is printed, which still knows the fields it was made of: a job's log keeps those."""

    fields: dict[str, Any]


def configure(settings: Settings) -> None:
    """Send structlog through the standard library's loggers, as text for people or JSON for machines."""
    renderer: Any = structlog.processors.JSONRenderer()
    if settings.log_format == "console":
        renderer = structlog.processors.KeyValueRenderer(key_order=["event"], drop_missing=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.UnicodeDecoder(),
            _rendering(renderer),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.getLogger().setLevel(settings.log_level.upper())
    # Dramatiq says that it discards what a sync actor returns. It does; we keep it.
    logging.getLogger("dramatiq.worker.WorkerThread").addFilter(
        lambda record: "returned a value" not in str(record.msg)
    )


def _rendering(renderer: Any) -> Any:
    def render(logger: Any, name: str, event: dict[str, Any]) -> Rendered:
        fields = {**event}
        try:
            line = Rendered(renderer(logger, name, event))
        except Exception as error:  # noqa: BLE001 (whatever a stranger's __repr__ raises must not fail the job that logs)
            line = Rendered(f"event={fields.get('event')!r} (its fields cannot be shown: {type(error).__name__})")
        line.fields = fields
        return line

    return render
