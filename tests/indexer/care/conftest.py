"""A collection with every kind of file."""

import shutil

import pytest

from shared.clients import indexer
from shared.media.identity import content_id
from tests.indexer.care.caring import SEEDS, TAGS


@pytest.fixture(scope="session")
def grown(embedder, service_at, picture, tmp_path_factory):
    """A data directory with every kind of file: built, trained, added to, deleted from."""
    folder = tmp_path_factory.mktemp("grown")
    data, source = folder / "data", folder / "source"
    for n in SEEDS:
        path = source / TAGS[n % 3] / f"{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(n))
    embedder.mount(data)
    with service_at(data, embedder.url) as service:
        service.ingest(source, clusters=3)
        service.add(picture(100), tags=["bird"])
        service.add(picture(101), picture(102), tags=["bird"])
        service.send(indexer.delete_image(content_id(picture(101))))
    return data


@pytest.fixture
def data(grown, tmp_path):
    """A copy of it, to be damaged."""
    return shutil.copytree(grown, tmp_path / "data")
