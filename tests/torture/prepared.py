"""The indexer as each life needs it, once for the server that they are forked from.

What a start imports and derives from routes is the same each time, and half of its work.
Nothing here starts a thread, which a fork would not have, or passes a failpoint: the first that is
passed reads which are armed.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from services.indexer.app import create_app
from services.indexer.config import IndexerSettings
from shared.web.routes import check_routes
from shared.web.running import server_config
from tests.route_contexts import derived_once

# Entered for as long as the process lives, and those that are forked from it.
_derived = derived_once()
_derived.__enter__()

with TemporaryDirectory() as _folder:
    _settings = IndexerSettings(data_dir=Path(_folder))
    _app = create_app(_settings)
    check_routes(_app)
    server_config(_app, _settings, 0).load()
