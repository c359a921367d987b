"""The compose files as compose itself reads them: 1.29 and 2, where they are."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.core.version import VERSION
from tests.e2e.engine import REPOSITORY

Read = Callable[..., dict[str, Any]]
_COMMANDS_OWN = ("PATH", "HOME", "LANG", "TMPDIR", "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT")


@pytest.fixture(params=["docker-compose", "docker compose"])
def read(request: pytest.FixtureRequest) -> Read:
    """Gives the services that some of the files describe together."""
    command = request.param.split()
    # Settings of whoever runs the tests, or of another test, stay out of the files' variables.
    env = {name: os.environ[name] for name in _COMMANDS_OWN if name in os.environ}

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

    def services(*files: str, profile: str | None = None) -> dict[str, Any]:
        named = ("--profile", profile) if profile else ()
        done = run(*(part for file in files for part in ("--file", file)), *named, "config")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = yaml.safe_load(done.stdout)["services"]
        for service in found.values():
            # It isn't for compose, and 1.29 drops it where files are merged.
            service.get("build", {}).pop("x-bake", None)
            # Merging files may change their order, which means nothing.
            for part in ("volumes", "tmpfs", "security_opt"):
                service.get(part, []).sort(key=str)
            if "networks" in service:
                service["networks"] = sorted(service["networks"])
        return found

    return services


def of_default(services: dict[str, Any]) -> dict[str, Any]:
    """Those that start where no profile is named; compose 1.29 shows the others as well."""
    return {name: service for name, service in services.items() if not service.get("profiles")}


def test_only_this_machine_reaches_the_ports(read: Read) -> None:
    for service in of_default(read("docker-compose.yml")).values():
        (port,) = service["ports"]
        where = port["host_ip"] if isinstance(port, dict) else port.split(":")[0]
        assert where == "127.0.0.1"


@pytest.mark.parametrize(
    "files", [["docker-compose.yml"], ["docker-compose.yml", "docker-compose.gpu.yml"]]
)
def test_containers_may_nothing_that_a_service_does_not_need(read: Read, files: list[str]) -> None:
    services = read(*files)
    for name in ("query", "indexer", "embedder"):
        service = services[name]
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["tmpfs"] == ["/tmp:size=64m"]  # noqa: S108
        forbidden = {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc", "user"}
        assert not forbidden & set(service), name


@pytest.mark.parametrize("profile", ["postgres", "replicas", "milvus"])
def test_containers_of_others_may_no_more(read: Read, profile: str) -> None:
    services = read("docker-compose.yml", profile=profile)
    others = {name: one for name, one in services.items() if name not in _OURS}
    assert others
    for name, service in others.items():
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        forbidden = {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc"}
        assert not forbidden & set(service), name
        # Milvus writes beside its volume.
        assert service.get("read_only", False) is (name != "milvus"), name
    for name in {"postgres", "proxy"} & set(others):
        assert services[name]["user"].split(":")[0].isdigit()
        assert services[name]["user"].split(":")[0] != "0"


_OURS = {"query", "indexer", "embedder", "worker"}


def test_there_is_no_password_by_default(read: Read) -> None:
    for profile in ("postgres", "milvus"):
        for name, service in read("docker-compose.yml", profile=profile).items():
            for key, value in (service.get("environment") or {}).items():
                is_secret = key.endswith(("PASSWORD", "SECRET_ACCESS_KEY", "TOKEN", "API_KEY"))
                assert not (is_secret and value), f"{name}: {key}"


@pytest.mark.parametrize(("password", "code"), [("", 1), ("x" * 15, 1), ("x" * 16, 0)])
def test_minio_does_not_start_with_a_password_that_is_known_or_guessed(
    tmp_path: Path, password: str, code: int
) -> None:
    text = (REPOSITORY / "docker-compose.yml").read_text("utf-8")
    shell, flag, script = yaml.safe_load(text)["services"]["minio"]["entrypoint"]
    (tmp_path / "minio").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "minio").chmod(0o755)
    done = subprocess.run(
        # Compose makes one of two dollars.
        [shell, flag, script.replace("$$", "$")],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "MINIO_ROOT_PASSWORD": password},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "ISE_MINIO_PASSWORD" in done.stderr) == (code, code == 1)


def test_a_database_is_reached_by_what_needs_it_alone(read: Read) -> None:
    def networks(service: dict[str, Any]) -> set[str]:
        return set(service.get("networks") or {"default"})

    services = read("docker-compose.yml", profile="postgres")
    beside = {
        name for name, one in services.items() if networks(one) & networks(services["postgres"])
    }
    assert beside == {"postgres", "indexer", "worker"}
    services = read("docker-compose.yml", profile="milvus")
    for name in ("etcd", "minio"):
        assert networks(services[name]) == {"vectors"}


def test_images_are_tagged_with_a_version_and_built_for_two_kinds_of_machines() -> None:
    described = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text("utf-8"))["services"]
    for name in ("query", "indexer", "embedder"):
        service = described[name]
        tag = f"${{ISE_REGISTRY-image-search-engine}}/{name}:${{ISE_VERSION-latest}}"
        assert service["image"] == tag
        assert service["build"]["x-bake"]["platforms"] == ["linux/amd64", "linux/arm64"]


def test_make_tags_images_with_the_version_of_the_source() -> None:
    told = subprocess.run(
        ["make", "--no-print-directory", "up", "COMPOSE=sh -c 'echo $$ISE_VERSION'"],
        cwd=REPOSITORY,
        env={name: os.environ[name] for name in _COMMANDS_OWN if name in os.environ},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told.splitlines()[-1] == VERSION


@pytest.mark.parametrize("name", ["query", "indexer", "embedder"])
def test_images_run_as_a_user_without_rights(name: str) -> None:
    lines = (REPOSITORY / "services" / name / "Dockerfile").read_text("utf-8").splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line[:1].isupper()]
    users = [number for number, step in enumerate(steps) if step[0] == "USER"]
    assert [steps[number][1] for number in users] == ["ise"]
    # What comes after it only says how to run it.
    assert {step[0] for step in steps[users[0] + 1 :]} == {"EXPOSE", "HEALTHCHECK", "CMD"}
    assert any("useradd --system --uid 10001" in line for line in lines)


def test_the_indexer_alone_writes_to_the_data_volume(read: Read) -> None:
    def written(volume: Any) -> bool:
        if isinstance(volume, dict):
            return volume["target"] == "/data" and not volume.get("read_only")
        return ":/data:" in volume and not volume.endswith(":ro")

    services = read("docker-compose.yml")
    writers = [name for name, service in services.items() if any(map(written, service["volumes"]))]
    # Workers are further indexers.
    assert set(writers) - {"worker"} == {"indexer"}


def test_milvus_comes_with_its_profile_and_is_reached_from_within_alone(read: Read) -> None:
    plain = of_default(read("docker-compose.yml"))
    with_milvus = read("docker-compose.yml", profile="milvus")
    added = {
        name: service
        for name, service in with_milvus.items()
        if service.get("profiles") == ["milvus"]
    }
    assert set(plain) == {"query", "indexer", "embedder"}
    assert set(added) == {"etcd", "minio", "milvus"}
    assert not any(service.get("ports") for service in added.values())
    for name in ("query", "indexer"):
        told = with_milvus[name]["environment"]
        assert told["ISE_ENGINE"] == "local"
        assert told["ISE_MILVUS_URI"] == "http://milvus:19530"


def test_workers_come_with_postgresql_and_are_indexers_without_a_port(read: Read) -> None:
    found = read("docker-compose.yml", profile="postgres")
    worker, indexer = found["worker"], found["indexer"]
    assert "test" in found["postgres"]["healthcheck"]
    assert not found["postgres"].get("ports")
    assert not worker.get("ports")
    for same in ("image", "environment", "volumes", "mem_limit"):
        assert worker[same] == indexer[same]


def test_replicas_have_one_address_that_this_machine_alone_reaches(read: Read) -> None:
    proxy = read("docker-compose.yml", profile="replicas")["proxy"]
    (port,) = proxy["ports"]
    where = port["host_ip"] if isinstance(port, dict) else port.split(":")[0]
    assert where == "127.0.0.1"
    told = (REPOSITORY / "docs" / "nginx-replicas.conf").read_text("utf-8")
    assert "server query:8000 resolve" in told


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
