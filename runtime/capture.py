"""Hands what is logged inside a job, by structlog or the standard library, to the job's own log."""

import logging
from typing import Any

import orjson

from runtime import handle
from runtime.failure import storable
from runtime.job_logs import JobLogs
from runtime.logs import Rendered
from settings import Settings

_MESSAGE = 16_000  # characters
_FIELDS = 16_000
_FIELD = 500
_TRACEBACK = 16_000
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_OF_THE_JOB = ("job", "attempt", "actor")  # what `job.log` binds: here every line is the job's
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Capture(logging.Handler):
    """A handler of the root logger. Lines that are logged outside of a job pass it by."""

    def __init__(self, logs: JobLogs, settings: Settings) -> None:
        super().__init__(_LEVELS[settings.job_log_level])
        self._logs, self._others = logs, _LEVELS[settings.log_level]

    def install(self) -> None:
        """What goes to the worker's own log stays what LOG_LEVEL says, also where a job's log takes more."""
        root = logging.getLogger()
        for other in root.handlers:
            other.setLevel(max(other.level, self._others))
        root.setLevel(min(self.level, self._others))
        root.addHandler(self)

    def remove(self) -> None:
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        delivery = handle.running()
        if delivery is None:
            return
        try:
            message, fields = _read(record)
            self._logs.add(delivery, min(record.levelno, 32_767), message, _encode(fields) if fields else None)
        except Exception:  # noqa: BLE001 (whatever a stranger's __str__ raises must not fail the job that logs)
            self.handleError(record)


def _read(record: logging.LogRecord) -> tuple[str, dict[str, Any]]:
    if isinstance(record.msg, Rendered):
        fields = {name: value for name, value in record.msg.fields.items() if name not in ("event", "level")}
        fields.pop("timestamp", None)
        if record.name == handle.LOGGER:
            for name in _OF_THE_JOB:
                fields.pop(name, None)
        message = str(record.msg.fields.get("event", ""))
    else:
        fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        message = record.getMessage()
        if record.exc_info and record.exc_info[0] is not None:
            fields["exception"] = logging.Formatter().formatException(record.exc_info)
    if record.name != handle.LOGGER:
        fields["logger"] = record.name
    if isinstance(fields.get("exception"), str):
        fields["exception"] = fields["exception"][-_TRACEBACK:]
    return storable(message)[:_MESSAGE], fields


def _encode(fields: dict[str, Any]) -> str:
    """As JSON; what JSON does not have is shown by its repr(), and what is long is cut."""
    try:
        text = orjson.dumps(fields, default=shown, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # numbers over 64 bits, half surrogate pairs, nesting without end
        text = _encode_by_field(fields)
    if len(text) > _FIELDS:
        text = _encode_by_field(fields)
    return text.replace("\\u0000", "\\ufffd")  # PostgreSQL's JSON functions refuse NUL


def _encode_by_field(fields: dict[str, Any]) -> str:
    texts: dict[str, str] = {}
    for name, value in list(fields.items())[:100]:
        most = _TRACEBACK if name == "exception" else _FIELD
        texts[storable(str(name))[:100]] = value[-most:] if name == "exception" else storable(shown(value))
    return orjson.dumps(texts).decode()


def shown(value: Any) -> str:
    """A value that is not JSON, for people."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception as error:  # noqa: BLE001 (whatever a stranger's __repr__ raises)
        return f"<{type(value).__name__}, whose repr() raises {type(error).__name__}>"
    return text if len(text) <= _FIELD else f"{text[:_FIELD]}… ({len(text):,} characters)"
