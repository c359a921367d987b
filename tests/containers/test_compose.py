"""The compose files as compose itself reads them: 1.29 and 2, where they are."""

import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.e2e.engine import REPOSITORY

Read = Callable[..., dict[str, Any]]


@pytest.fixture(params=["docker-compose", "docker compose"])
def read(request: pytest.FixtureRequest) -> Read:
    """Gives the services that some of the files describe together."""
    command = request.param.split()
    # Settings of whoever runs the tests stay out of the files' variables.
    env = {name: value for name, value in os.environ.items() if not name.startswith("ISE_")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments],
            cwd=REPOSITORY,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    if shutil.which(command[0]) is None or run("version").returncode != 0:
        pytest.skip(f"needs `{request.param}`, which comes with a container engine")

    def services(*files: str) -> dict[str, Any]:
        done = run(*(part for file in files for part in ("--file", file)), "config")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = yaml.safe_load(done.stdout)["services"]
        for service in found.values():
            # Merging files may change their order, which means nothing.
            service["volumes"].sort(key=str)
        return found

    return services


def test_only_this_machine_reaches_the_ports(read: Read) -> None:
    for service in read("docker-compose.yml").values():
        (port,) = service["ports"]
        where = port["host_ip"] if isinstance(port, dict) else port.split(":")[0]
        assert where == "127.0.0.1"


def test_the_indexer_alone_writes_to_the_data_volume(read: Read) -> None:
    def written(volume: Any) -> bool:
        if isinstance(volume, dict):
            return volume["target"] == "/data" and not volume.get("read_only")
        return ":/data:" in volume and not volume.endswith(":ro")

    services = read("docker-compose.yml")
    writers = [name for name, service in services.items() if any(map(written, service["volumes"]))]
    assert writers == ["indexer"]


def test_a_gpu_is_given_to_the_embedder_and_changes_nothing_else(read: Read) -> None:
    plain = read("docker-compose.yml")
    with_gpu = read("docker-compose.yml", "docker-compose.gpu.yml")
    embedder = with_gpu["embedder"]
    deploy = embedder.pop("deploy")
    assert deploy["resources"]["reservations"]["devices"] == [
        {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    ]
    indexes = [found["embedder"]["build"]["args"].pop("TORCH_INDEX") for found in (plain, with_gpu)]
    assert [index.rpartition("/")[2] for index in indexes] == ["cpu", "cu126"]
    assert with_gpu == plain
