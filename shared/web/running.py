"""Runs a service as a process: settings in, an exit code out, and a sentence when it can't."""

import logging
import signal
import sys
from collections.abc import Callable
from typing import TypeVar

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from shared.errors import ISEError
from shared.settings import ServiceSettings
from shared.web import logs

S = TypeVar("S", bound=ServiceSettings)


def run(name: str, settings_type: type[S], create_app: Callable[[S], FastAPI]) -> int:
    """Serves until SIGINT or SIGTERM.

    Gives 0, or 2 where a setting is wrong, or 1 where the service had to give up.
    """
    try:
        settings = settings_type()
        settings.check_bind()
    except ValidationError as error:
        for item in error.errors():
            field = "_".join(str(part) for part in item["loc"]).upper()
            _say(f"ISE_{field}={item['input']}: {item['msg']}.")
        return 2
    except ISEError as error:
        _say(error.detail)
        return 2
    logs.configure(name, settings.log_level)
    app = create_app(settings)
    app.state.runs_alone = True
    port: int = getattr(settings, f"{name}_port")
    logging.getLogger(name).info("listening on http://%s:%d", settings.host, port)
    uvicorn.run(
        app,
        host=settings.host,
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    failure: ISEError | None = getattr(app.state, "failure", None)
    if failure is None:
        return 0
    _say(failure.detail)
    return 1


def give_up(app: FastAPI, error: ISEError) -> None:
    """Ends the process in good order, with the error's sentence.

    Raises the error where the app is a part of another program, such as a test.
    """
    app.state.failure = error
    if not getattr(app.state, "runs_alone", False):
        raise error
    # As a person's Ctrl-C would.
    signal.raise_signal(signal.SIGINT)


def _say(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")
