"""Models of a profile that an embedder hosts beside those of its settings."""

import httpx
import numpy as np

from services.indexer.embedding.canaries import Canaries
from services.indexer.embedding.client import Embedding
from services.indexer.embedding.registry import Embedders
from services.indexer.storage.feature_store import FeatureStore
from shared.clients.transport import Client
from shared.contracts.embedder import (
    DIM_HEADER,
    FINGERPRINT_HEADER,
    INSTANCE_HEADER,
    PROFILE_HEADER,
    ImageModel,
    Model,
    Models,
)
from shared.models.profiles import FINGERPRINTS


def answer(request: httpx.Request) -> httpx.Response:
    """Answer as an embedder of `mini`, with the profile that is asked for beside it."""
    name = request.headers.get(PROFILE_HEADER, "mini")
    if request.url.path == "/v1/models":
        hosted = ImageModel(
            fingerprint=FINGERPRINTS[name], architecture=name, dim=2, engine="torch"
        )
        words = Model(fingerprint="words", architecture="word2vec", dim=2)
        told = Models(visual=hosted, matching=hosted, words=words, networks=[f"network-{name}"])
        return httpx.Response(200, content=told.model_dump_json())
    if f"network-{name}" not in request.content.decode():
        return httpx.Response(409, json={"detail": "It was trained on other features."})
    headers = {DIM_HEADER: "2", FINGERPRINT_HEADER: f"network-{name}", INSTANCE_HEADER: "one"}
    return httpx.Response(200, content=np.ones(2, "<f4").tobytes(), headers=headers)


def test_terms_are_asked_of_the_profile_of_the_index_after_a_restart(tmp_path, images):
    with Client("http://one", transport=httpx.MockTransport(answer)) as client:
        canaries = Canaries(FeatureStore(tmp_path), images.database)
        embedding = Embedding(Embedders([client]), canaries, attempts=1)
        # It has asked for nothing else yet.
        [found] = embedding.terms(["dog"], FINGERPRINTS["lite"], "network-lite")
        assert found is not None
