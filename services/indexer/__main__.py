"""`python -m services.indexer`: runs the service on its port."""

import sys

from services.indexer.app import create_app
from services.indexer.config import IndexerSettings
from shared.web.running import run

if __name__ == "__main__":
    sys.exit(run("indexer", IndexerSettings, create_app))
