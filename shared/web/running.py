"""Runs a service as a process: settings in, an exit code out, and a sentence when it can't."""

import asyncio
import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar, get_args

import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsError

from shared.core import startup_errors
from shared.core.allocator import bound_arenas
from shared.core.collector import collect_less
from shared.core.errors import ISEError
from shared.core.settings import ServiceSettings, slips
from shared.core.validation import verdict
from shared.web import logs
from shared.web.connections import Connections, places
from shared.web.protocol import bounded

S = TypeVar("S", bound=ServiceSettings)

log = logging.getLogger(__name__)

IDLE_SECONDS = 75
"""Seconds that an idle connection stays open. Longer than any client of ours keeps one, so that no
call is sent on a connection that is just being closed: a change that fails so has an unknown end.
"""
_CLOSING_S = 2


def run(name: str, settings_type: type[S], create_app: Callable[[S], FastAPI]) -> int:
    """Serve until SIGINT or SIGTERM.

    Returns 0, 1 if the service had to give up, or 2 if a setting is wrong.
    """
    bound_arenas()
    try:
        settings = settings_type()
        settings.check_bind()
        settings.keep_files_private()
        logs.configure(name, settings.log_level, settings.log_format)
        logs.take_strays()
        app = create_app(settings)
        # A start has it off while it imports.
        gc.freeze()
        gc.enable()
    except ValidationError as error:
        for item in error.errors():
            field = "_".join(str(part) for part in item["loc"]).upper()
            shown = "" if _is_secret(settings_type, item["loc"][0]) else f"={item['input']}"
            startup_errors.say(f"ISE_{field}{shown}: {verdict(item)}.")
        return 2
    except SettingsError as error:
        startup_errors.say(
            f'A setting can\'t be read: {error}. Write lists as JSON: ["/pictures"].'
        )
        return 2
    except ISEError as error:
        startup_errors.say(error.detail)
        return 2
    app.state.runs_alone = True
    port: int = getattr(settings, f"{name}_port")
    log = logging.getLogger(name)
    for slip in slips(settings_type):
        log.warning(slip)
    server = _Server(
        server_config(app, settings, port),
        lambda: log.info("listening on http://%s:%d", settings.host, port),
        app.state.on_stop,
        settings.shutdown_seconds,
    )
    # The server raises the signal that ended it again, which would look like a crash.
    signal.signal(signal.SIGTERM, lambda *_: None)
    with suppress(KeyboardInterrupt):
        server.run()
    failure: ISEError | None = getattr(app.state, "failure", None)
    if failure is None:
        return 0 if server.started else 1
    startup_errors.say(failure.detail)
    return 1


def server_config(app: FastAPI, settings: ServiceSettings, port: int) -> uvicorn.Config:
    """Return uvicorn's configuration for an app, with limits on clients."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=port,
        log_config=None,
        access_log=False,
        http=bounded(Connections(places())),
        ws="none",
        timeout_keep_alive=IDLE_SECONDS,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        # Leave time for closing after the last answer.
        timeout_graceful_shutdown=max(1, settings.shutdown_seconds - _CLOSING_S),
    )


class _Server(uvicorn.Server):
    """Calls `on_listening` once it has bound its port, and `on_stop` at shutdown.

    At shutdown it accepts no new requests and answers those in progress. Work unfinished after
    `seconds` is abandoned, which is as safe as killing the process.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        on_listening: Callable[[], None],
        on_stop: Sequence[Callable[[], None]],
        seconds: float,
    ) -> None:
        super().__init__(config)
        self._on_listening = on_listening
        self._on_stop = on_stop
        self._seconds = seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and not self.should_exit:
            collect_less()
            self._on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        log.info("shutting down; accepted requests have %g seconds", self._seconds)
        end = threading.Timer(self._seconds, _leave)
        end.daemon = True
        end.start()
        stops = asyncio.gather(*(asyncio.to_thread(stop) for stop in self._on_stop))
        await super().shutdown(sockets)
        await stops


def _leave() -> None:
    """Ends the process at once."""
    log.warning("shutdown deadline exceeded (ISE_SHUTDOWN_SECONDS); remaining work is abandoned")
    logging.shutdown()
    os._exit(0)


def _is_secret(settings_type: type[ServiceSettings], field: int | str) -> bool:
    info = settings_type.model_fields.get(str(field))
    return info is not None and SecretStr in (info.annotation, *get_args(info.annotation))


def give_up(app: FastAPI, error: ISEError) -> None:
    """Ends the process in good order, with the error's sentence.

    Raises the error where the app is a part of another program, such as a test.
    """
    app.state.failure = error
    if not getattr(app.state, "runs_alone", False):
        raise error
    # As Ctrl-C does.
    signal.raise_signal(signal.SIGINT)
