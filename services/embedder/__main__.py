"""`python -m services.embedder`: runs the service on its port."""

import gc
import sys

if __name__ == "__main__":
    # See `services.indexer`.
    gc.disable()

    from fastapi import FastAPI

    from services.embedder.config import EmbedderSettings
    from shared.web.running import run

    def create_app(settings: EmbedderSettings) -> FastAPI:
        # Imported here: torch takes seconds, and a wrong setting is reported before.
        from services.embedder.app import create_app

        return create_app(settings)

    sys.exit(run("embedder", EmbedderSettings, create_app))
