"""`python -m services.indexer`: runs the service on its port."""

import gc
import sys

if __name__ == "__main__":
    # What is imported stays. Looking for garbage among it takes a quarter of a start; `run` does
    # so again.
    gc.disable()

    from services.indexer.app import create_app
    from services.indexer.config import IndexerSettings
    from shared.web.running import run

    sys.exit(run("indexer", IndexerSettings, create_app))
