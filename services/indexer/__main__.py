"""`python -m services.indexer`."""

from services.indexer.app import create_app
from services.indexer.config import IndexerSettings
from shared.web.service import serve

if __name__ == "__main__":
    settings = IndexerSettings()
    serve("indexer", create_app, settings, settings.indexer_port)
