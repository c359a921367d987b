"""`python -m services.query`: runs the service on its port."""

import gc
import os
import sys

if __name__ == "__main__":
    # One thread per query, because many run at once. numpy and faiss read this on import.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    # See `services.indexer`.
    gc.disable()

    from services.query.app import create_app
    from services.query.config import QuerySettings
    from shared.web.running import run

    sys.exit(run("query", QuerySettings, create_app))
