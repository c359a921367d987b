"""Both engines, each with a world of its own for every test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.engines.milvus.server import Milvus
from tests.engine.milvus_server import FullServer, MilvusServer, new_server
from tests.engine.world import World


@pytest.fixture(scope="session")
def milvus_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[MilvusServer | FullServer]:
    pytest.importorskip("milvus_lite")
    server = new_server(tmp_path_factory.mktemp("milvus"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def mortal_server(
    milvus_server: MilvusServer | FullServer, tmp_path: Path
) -> Iterator[MilvusServer | FullServer]:
    """A running Milvus to be killed: one of its own, or the full one, of which one can run."""
    is_full = isinstance(milvus_server, FullServer)
    server = milvus_server if is_full else MilvusServer(tmp_path / "lite.db")
    if not is_full:
        server.start()
    yield server
    server.kill()
    if is_full:
        server.start()


@pytest.fixture(params=["local", pytest.param("milvus", marks=pytest.mark.slow)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """An empty data directory over each engine in turn."""
    (tmp_path / "segments").mkdir()
    if request.param == "local":
        yield World(tmp_path, None)
        return
    milvus = Milvus(request.getfixturevalue("milvus_server").uri)
    yield World(tmp_path, milvus)
    milvus.close()


@pytest.fixture
def milvus_world(milvus_server: MilvusServer, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Makes a world over Milvus, of an index type."""
    (tmp_path / "segments").mkdir()
    milvus = Milvus(milvus_server.uri)
    yield lambda index_type="IVF_FLAT": World(tmp_path, milvus, index_type)
    milvus.close()
