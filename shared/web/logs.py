"""One line per log record, as text or JSON, with the id of its request.

Both formats include a record's `extra`. Lines never contain keys, passwords or query strings of
URLs, which may contain keys; and no value, such as a file name, can begin a line or control the
terminal.
"""

import json
import logging
import re
import threading
from datetime import UTC, datetime
from typing import Any

from shared.core.printable import escaped, escaped_json
from shared.core.request_id import current_request_id
from shared.core.settings import LogFormat

# Fields of every record; any others were given as `extra`.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}
# Fields that the text of the message contains.
_IN_MESSAGE = frozenset({"method", "path", "route", "status", "ms", "write"})

_TRACE = "  | "
"""Before each line of a traceback, which so is no record, whatever it holds."""

_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)\b(bearer\s+)[^\s\"',]+"), r"\1***"),
    # A URL's password, and its query string, which may contain a signature.
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@\"']*):[^\s/@\"']+@"), r"\1:***@"),
    (re.compile(r"(\bhttps?://[^\s?\"'<>]+)\?[^\s\"'<>)]+"), r"\1?***"),
)


def without_secrets(text: str) -> str:
    """The text with keys, passwords and query strings of URLs blanked out."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


class _Line(logging.Formatter):
    """Fields of a log record that both formats have."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def _part(self, record: logging.LogRecord) -> str:
        # uvicorn logs everything as `uvicorn.error`.
        return self._service if record.name.startswith("uvicorn") else record.name

    def _extra(self, record: logging.LogRecord) -> dict[str, Any]:
        return {name: value for name, value in vars(record).items() if name not in _OWN}

    def _trace(self, record: logging.LogRecord) -> str | None:
        if record.exc_info and record.exc_info[0] is not None:
            return self.formatException(record.exc_info)
        return record.exc_text


class TextLine(_Line):
    """`time level service request_id part: message name=value`, and below it the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        parts = [
            f"{self.formatTime(record)} {record.levelname:<7} {self._service} "
            f"{current_request_id() or '-'} {self._part(record)}: {record.getMessage()}",
            *(
                f"{name}={value}"
                for name, value in self._extra(record).items()
                if name not in _IN_MESSAGE
            ),
        ]
        trace = self._trace(record)
        line = escaped(without_secrets(" ".join(parts)))
        return line + "".join(f"\n{_TRACE}{one}" for one in _lines(trace))


class JsonLine(_Line):
    """One JSON object; fields that don't apply are left out."""

    def format(self, record: logging.LogRecord) -> str:
        own = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "request_id": current_request_id(),
            "logger": self._part(record),
            "message": record.getMessage(),
            "exception": self._trace(record),
        }
        fields = {name: value for name, value in own.items() if value is not None}
        fields = self._extra(record) | fields
        blank = {name: _blanked(value) for name, value in fields.items()}
        return escaped_json(
            json.dumps(blank, ensure_ascii=False, default=lambda value: _blanked(str(value)))
        )


def _lines(trace: str | None) -> list[str]:
    """The lines of a traceback; one of them may be a text of others."""
    return [escaped(line) for line in without_secrets(trace or "").split("\n") if line]


def _blanked(value: Any) -> Any:
    return without_secrets(value) if isinstance(value, str) else value


def configure(service: str, level: str, form: LogFormat = LogFormat.TEXT) -> None:
    """Sends this process's logs to standard error, a line a record."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLine(service) if form is LogFormat.JSON else TextLine(service))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # The client libraries log every request, and so do ours.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)


def take_strays() -> None:
    """Log what Python would write to standard error: warnings, and errors that end threads."""
    logging.captureWarnings(True)
    threading.excepthook = _log_thread_end


def _log_thread_end(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_type is SystemExit or ended.exc_value is None:
        return
    name = ended.thread.name if ended.thread else "?"
    logging.getLogger(__name__).error("the thread %s ended", name, exc_info=ended.exc_value)
