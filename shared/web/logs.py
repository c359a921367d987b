"""One line a log record, with the request id that it belongs to."""

import logging

from shared.web.request_id import current_request_id


class _Told(logging.Filter):
    """Adds to a record what its line tells: the request, and which part of the service it is."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current_request_id() or "-"
        # The server calls its logger `uvicorn.error`, whatever it logs.
        record.part = self._service if record.name.startswith("uvicorn") else record.name
        return True


def configure(service: str, level: str) -> None:
    """Sends this process's logs to standard error as `time level service request_id message`."""
    handler = logging.StreamHandler()
    handler.addFilter(_Told(service))
    handler.setFormatter(
        logging.Formatter(
            f"%(asctime)s %(levelname)-7s {service} %(request_id)s %(part)s: %(message)s"
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # The client libraries tell of every request; ours do so already.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
