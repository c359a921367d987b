"""A service as a process of its own."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from shared.clients import replicas
from shared.clients.transport import Client
from shared.core.settings import ServiceSettings
from shared.web.running import server_config
from shared.web.service import create_service

ROOT = Path(__file__).parents[2]

# Its data folder, a file in it, and the end.
WRITES = """
import sys
from contextlib import asynccontextmanager
from shared.core.errors import Misconfigured
from shared.core.settings import ServiceSettings
from shared.web.running import run
from shared.web.service import create_service

def create_app(settings):
    @asynccontextmanager
    async def lifespan(app):
        folder = settings.data_dir / "images"
        folder.mkdir(parents=True)
        (folder / "a.jpg").write_bytes(b"a")
        raise Misconfigured("That is all.")
        yield
    return create_service("query", "Writes.", settings, lifespan, lambda: None)

sys.exit(run("query", ServiceSettings, create_app))
"""


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize(
    ("setting", "folder", "file"), [({}, 0o700, 0o600), ({"ISE_UMASK": "027"}, 0o750, 0o640)]
)
def test_nobody_else_reads_what_a_service_writes_unless_it_is_set_so(
    tmp_path, setting, folder, file
):
    done = subprocess.run(
        [sys.executable, "-c", WRITES],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), **setting},
        umask=0o022,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr.splitlines()[-1] == "error: That is all."
    modes = [
        stat.S_IMODE((tmp_path / path).stat().st_mode)
        for path in ("data", "data/images", "data/images/a.jpg")
    ]
    assert modes == [folder, folder, file]


def test_services_close_idle_connections_long_after_our_clients_do():
    # At the same moment, a call would be sent on a connection that is just being closed.
    app = create_service("query", "Idle.", ServiceSettings(), None, lambda: None)
    config = server_config(app, ServiceSettings(), 0)
    assert config.timeout_keep_alive >= 4 * replicas.IDLE_S
    with Client("http://127.0.0.1") as client:
        kept = client._http._transport._inner._pool._keepalive_expiry
        assert kept == replicas.IDLE_S
