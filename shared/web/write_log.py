"""A log line for each call that may change something: caller, action and outcome.

It never contains a key or picture data.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from starlette.requests import HTTPConnection
from starlette.types import Message, Scope, Send

from shared.core import problem
from shared.core.errors import ISEError
from shared.web.callers import caller_of

log = logging.getLogger(__name__)

_NAME = "ise.write"


def tell(call: HTTPConnection, **facts: Any) -> None:
    """Add to the line of a call, such as ids and counts. JSON types only."""
    call.scope.get(_NAME, {}).update(facts)


@contextmanager
def written(scope: Scope, send: Send, action: str) -> Iterator[Send]:
    """Log the write of the block, before the answer that it sends by `send`.

    So every acknowledged write has a line.
    """
    facts: dict[str, Any] = scope.setdefault(_NAME, {})

    async def send_after_line(message: Message) -> None:
        if message["type"] == "http.response.start":
            _log(scope, action, message["status"], facts)
        await send(message)

    try:
        yield send_after_line
    except Exception as error:
        # An outer layer answers the error.
        status = problem.status_of(error) if isinstance(error, ISEError) else 500
        _log(scope, action, status, facts)
        raise


def _log(scope: Scope, action: str, status: int, facts: dict[str, Any]) -> None:
    caller = caller_of(scope)
    write = {
        "key": caller.label,
        "address": caller.address,
        "action": action,
        "method": scope["method"],
        # Quoted, so that an id can't begin another line.
        "path": quote(scope["path"]),
        "status": status,
        **facts,
    }
    log.info("write %s", json.dumps(write), extra={"write": write})
