"""`python -m services.embedder`: runs the service on its port."""

import sys

from fastapi import FastAPI

from services.embedder.config import EmbedderSettings
from shared.web.running import run


def _create_app(settings: EmbedderSettings) -> FastAPI:
    # Imported here: torch takes seconds, and a wrong setting is reported before.
    from services.embedder.app import create_app

    return create_app(settings)


if __name__ == "__main__":
    sys.exit(run("embedder", EmbedderSettings, _create_app))
