"""`python -m services.query`: runs the service on its port."""

import sys

from services.query.app import create_app
from services.query.config import QuerySettings
from shared.web.running import run

if __name__ == "__main__":
    sys.exit(run("query", QuerySettings, create_app))
