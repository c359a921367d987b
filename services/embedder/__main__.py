"""`python -m services.embedder`: runs the service on its port."""

import signal
import sys

from fastapi import FastAPI
from pydantic import ValidationError

from services.embedder.app import create_app
from services.embedder.config import EmbedderSettings
from shared.errors import ISEError
from shared.web.service import serve


def main() -> int:
    """Serves until stopped; 1 where the models can't be loaded, 2 where a setting is wrong."""
    try:
        settings = EmbedderSettings()
    except ValidationError as error:
        for item in error.errors():
            name = "_".join(str(part) for part in item["loc"]).upper()
            _say(f"ISE_{name}={item['input']}: {item['msg']}.")
        return 2
    apps: list[FastAPI] = []

    def create(settings: EmbedderSettings) -> FastAPI:
        # As a person's Ctrl-C would: the server closes in good order, and returns.
        apps.append(create_app(settings, on_failure=lambda: signal.raise_signal(signal.SIGINT)))
        return apps[0]

    try:
        serve("embedder", create, settings, settings.embedder_port)
    except ISEError as error:
        _say(error.detail)
        return 2
    failure = apps[0].state.host.failure
    if failure is not None:
        _say(failure.detail)
        return 1
    return 0


def _say(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")


if __name__ == "__main__":
    sys.exit(main())
