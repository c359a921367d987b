"""The blocks of the README run as they're written, each section's by a test of its own."""

import importlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from safetensors.torch import save_file

from services.embedder.backbones.torchvision_ops import ensure_torchvision_ops
from shared.clients import embedder, indexer, query
from shared.clients.transport import Client
from shared.contracts.answer import Mode
from shared.contracts.indexer import IngestRequest
from tests.docs.blocks import (
    blocks_of,
    environment,
    needs_programs,
    run,
    script_of,
    serving,
    until,
    urls_of,
)
from tests.e2e.conftest import Start
from tests.e2e.engine import REPOSITORY, Engine
from tests.indexer.s3 import CREDENTIALS, S3Server
from tests.package import test_wheel
from tests.ports import free_port

README = REPOSITORY / "README.md"
BASE_IMAGE = "python:3.11-slim-bookworm"


def section(name: str) -> str:
    return script_of(block for block in blocks_of(README) if block.section == name)


def free_ports() -> dict[str, str]:
    return {f"ISE_{name}_PORT": str(free_port()) for name in ("QUERY", "INDEXER", "EMBEDDER")}


def url_of(name: str, ports: dict[str, str]) -> str:
    return f"http://127.0.0.1:{ports[f'ISE_{name.upper()}_PORT']}"


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready", trust_env=False).is_success
    except httpx.TransportError:
        return False


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_commands(tmp_path: Path) -> None:
    """In a fresh checkout, which they set up. Of all tests, one file is run there."""
    checkout = tmp_path / "checkout"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in run(" ".join(listed), REPOSITORY, environment()).rstrip("\0").split("\0"):
        if (REPOSITORY / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, checkout / name)
    env = environment(PYTEST_ADDOPTS="tests/shared/test_durable.py", **free_ports())
    output = run(section("Two commands"), checkout, env, timeout=1700)
    assert "Search by image" in output
    assert "Search by term" in output
    assert " passed in " in output


def test_the_first_lines_lead_to_ones_own_pictures_in_the_browser() -> None:
    first = next(block for block in blocks_of(README))
    assert first.section == "Your own pictures"
    serve, page, ingest = first.text.strip().splitlines()
    assert serve.split("#")[0].split() == ["make", "run"]
    assert ingest.split("#")[0].split() == [".venv/bin/ise", "ingest", "~/Pictures"]
    assert "http://127.0.0.1:8000" in page


@pytest.mark.slow
@needs_programs
def test_your_own_pictures(start: Start, home: Path) -> None:
    """The second line beside running services, which the first one starts."""
    ingest = section("Your own pictures").replace("make run", ":")
    ingest = ingest.replace(".venv/bin/ise", "ise")
    with start() as engine:
        env = environment(HOME=str(home), **urls_of(engine))
        run(ingest, REPOSITORY, env)
        assert engine.ask(query.search_term("tree")).mode is Mode.TAG


def found_at(engine: Engine, home: Path) -> None:
    """Makes `curl` find the services on their ports, and fail where a call is refused."""
    found = [
        f'connect-to = "127.0.0.1:{port}:{engine.group.url(name).removeprefix("http://")}"'
        for name, port in (("query", 8000), ("indexer", 8001), ("embedder", 8002))
    ]
    (home / ".curlrc").write_text("\n".join(["fail", "silent", "show-error", *found]))


@pytest.mark.slow
@needs_programs
def test_use_it(start: Start, home: Path) -> None:
    with start() as engine:
        found_at(engine, home)
        env = environment(HOME=str(home), **urls_of(engine))
        output = run(section("Use it"), REPOSITORY, env)
    assert "1.000" in output
    assert '"mode":"semantic"' in output
    assert '"state":"queued"' in output


@pytest.mark.slow
def test_pictures_elsewhere(start: Start, home: Path, tmp_path: Path) -> None:
    store = S3Server()
    store.start()
    try:
        pictures = sorted((home / "Pictures").rglob("*.jpg"))
        store.fill(
            "photos", {f"2026/sea/{p.parent.name}-{p.name}": p.read_bytes() for p in pictures}
        )
        with start(ISE_S3_ENDPOINT=store.url, **CREDENTIALS) as engine:
            env = environment(HOME=str(home), **urls_of(engine))
            output = run(section("Pictures elsewhere"), tmp_path, env)
            assert engine.ask(query.get_stats()).images == len(pictures)
            found = engine.ask(query.search_term("sea", limit=1000))
            assert len(found.hits) == len(pictures)
    finally:
        store.kill()
    assert "pictures added" in output


@pytest.mark.slow
@needs_programs
def test_how_good_is_it(start: Start, home: Path, sample: Path, tmp_path: Path) -> None:
    with start() as engine:
        engine.ingest(sample)
        env = environment(HOME=str(home), **urls_of(engine))
        run(section("How good is it?"), tmp_path, env)
    assert json.loads((tmp_path / "evaluation.json").read_text())
    assert "<svg" in (tmp_path / "evaluation.html").read_text()


@pytest.mark.slow
@needs_programs
def test_your_own_vectors(start: Start, home: Path, tmp_path: Path) -> None:
    with start() as engine:
        found_at(engine, home)
        env = environment(HOME=str(home), **urls_of(engine))
        output = run(section("Your own vectors"), tmp_path, env)
        assert engine.ask(query.get_stats()).model == "external:clip-vit-b32-64"
    assert "photos/7.jpg" in output
    assert '"hits":[{"id":"late"' in output
    assert re.search(r"there already +1,001\b", output)


@needs_programs
@pytest.mark.slow
def test_care(start: Start, home: Path, sample: Path, tmp_path: Path) -> None:
    with start() as engine:
        engine.ingest(sample)
        env = environment(HOME=str(home), ISE_DATA_DIR=str(engine.data_dir), **urls_of(engine))
        output = run(section("Care"), tmp_path, env)
    assert "All is well." in output
    assert "restored is intact" in output


@pytest.mark.slow
def test_models(tmp_path: Path) -> None:
    ensure_torchvision_ops()
    models = importlib.import_module("torchvision.models")
    save_file(models.mobilenet_v2().state_dict(), tmp_path / "mobilenet_v2.safetensors")
    ports = free_ports()
    url = url_of("embedder", ports)
    log = tmp_path / "log"
    with serving(section("Models"), tmp_path, environment(**ports), log) as runs:
        until(lambda: is_ready(url) or not runs(), 240, log)
        assert runs(), log.read_text()
        with Client(url) as client:
            assert (
                client.send(embedder.list_models()).visual.architecture
                == "torchvision-mobilenet_v2"
            )
    assert not runs()
    assert not is_ready(url)


@pytest.fixture
def container_engine() -> None:
    """Skips where there is none, or where it can't get the image that ours start from."""

    def docker(*arguments: str) -> bool:
        done = subprocess.run(["docker", *arguments], capture_output=True, timeout=120, check=False)
        return done.returncode == 0

    if not (shutil.which("docker") and docker("info")):
        pytest.skip("needs a container engine")
    if not (docker("compose", "version") or shutil.which("docker-compose")):
        pytest.skip("needs docker-compose beside the container engine")
    if not (docker("image", "inspect", BASE_IMAGE) or docker("pull", BASE_IMAGE)):
        pytest.skip(f"needs a container engine that can get {BASE_IMAGE}")


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.usefixtures("container_engine")
def test_containers(home: Path, tmp_path: Path) -> None:
    ports = free_ports()
    project = f"ise-readme-{ports['ISE_QUERY_PORT']}"
    env = environment(HOME=str(home), COMPOSE_PROJECT_NAME=project, **ports)
    urls = {name: url_of(name, ports) for name in ("query", "indexer", "embedder")}
    log = tmp_path / "log"
    try:
        with serving(section("Containers"), REPOSITORY, env, log) as runs:
            until(lambda: all(map(is_ready, urls.values())) or not runs(), 2000, log)
            assert runs(), log.read_text()
            with Client(urls["indexer"]) as client:
                job = client.send(indexer.ingest(IngestRequest(source="/pictures")))
                until(lambda: client.send(indexer.get_job(job.id)).state.ended, 240, log)
            with Client(urls["query"]) as client:
                answer = client.send(query.search_term("tree"))
            assert (answer.mode, answer.complete) == (Mode.TAG, True)
            assert {"tree"} == set.intersection(*(set(hit.tags) for hit in answer.hits))
        assert not any(map(is_ready, urls.values()))
    finally:
        run(f"make down && docker volume rm {project}_data", REPOSITORY, env)


def test_no_block_is_left_out() -> None:
    tested = {
        "Your own pictures": test_your_own_pictures,
        "Two commands": test_two_commands,
        "Use it": test_use_it,
        "How good is it?": test_how_good_is_it,
        "Your own vectors": test_your_own_vectors,
        "Care": test_care,
        "Pictures elsewhere": test_pictures_elsewhere,
        "Containers": test_containers,
        "Models": test_models,
        "Install it, use it from Python and from assistants": (
            test_wheel.test_the_installed_engine_ingests_and_searches
        ),
    }
    assert {block.section for block in blocks_of(README)} == tested.keys()
