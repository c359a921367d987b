"""The query service as a process of its own, over a data folder that is there."""

import sys
from pathlib import Path

from shared.cli.group import ServiceGroup
from shared.cli.service import Service, free_port

_START_S = 120


def query_service(data_dir: Path) -> tuple[ServiceGroup, int]:
    """A running service, to be stopped by the caller, and its port."""
    port = free_port()
    service = Service("query", (sys.executable, "-m", "services.query"), "127.0.0.1", port)
    env = {
        "ISE_DATA_DIR": str(data_dir.absolute()),
        "ISE_QUERY_PORT": str(port),
        "ISE_HOST": "127.0.0.1",
        "ISE_LOG_LEVEL": "warning",
    }
    group = ServiceGroup([service], env)
    group.start()
    group.wait_ready(_START_S)
    return group, port
