"""`python -m services.query`."""

from services.query.app import create_app
from services.query.config import QuerySettings
from shared.web.service import serve

if __name__ == "__main__":
    settings = QuerySettings()
    serve("query", create_app, settings, settings.query_port)
