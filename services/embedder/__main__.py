"""`python -m services.embedder`: runs the service on its port."""

import sys

from services.embedder.app import create_app
from services.embedder.config import EmbedderSettings
from shared.web.running import run

if __name__ == "__main__":
    sys.exit(run("embedder", EmbedderSettings, create_app))
