"""Why images are alike: through the three services."""

import io
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from shared.clients import query
from shared.core.errors import Conflict, FingerprintMismatch, InvalidInput, NotFound

pytestmark = [pytest.mark.floats, pytest.mark.engine]


@pytest.fixture
def filled(service: Any, picture: Callable[..., bytes]) -> tuple[Any, list[str]]:
    items = service.add(*(picture(seed) for seed in range(6)))
    return service, [item.id for item in items]


def test_the_grids_sum_to_the_cosine_which_is_the_score(filled: Any) -> None:
    service, ids = filled
    for other in ids[1:]:
        found = service.ask(query.explain_match(ids[0], to=other))
        assert not found.approximate
        assert np.sum(found.grid) == pytest.approx(found.cosine, abs=1e-5)
        assert np.sum(found.other_grid) == pytest.approx(found.cosine, abs=1e-5)
        hits = service.ask(query.search_id(ids[0], exact=True)).hits
        score = next(hit.score for hit in hits if hit.id == other)
        assert found.score == pytest.approx(score, abs=1e-5)
        assert found.drift == pytest.approx(found.score - found.cosine, abs=1e-12)
        # What runs the network may be of less precision than what explains it.
        assert abs(found.drift) < 5e-3


def test_a_transform_of_the_index_is_told(service: Any, picture: Callable[..., bytes]) -> None:
    ids = [item.id for item in service.add(*(picture(seed) for seed in range(40)))]
    service.build(transform="pca:8")
    found = service.ask(query.explain_match(ids[0], to=ids[1]))
    assert found.transform == "pca:8"
    assert not found.approximate
    assert np.sum(found.grid) == pytest.approx(found.cosine, abs=1e-5)
    assert np.sum(found.other_grid) == pytest.approx(found.cosine, abs=1e-5)
    # What is left of a similarity without the collection's mean: rounding shows more in it.
    assert abs(found.drift) < 3e-2
    page = service.ask(query.draw_match(ids[0], to=ids[1]))
    assert page.startswith(b"\x89PNG")
    hits = service.ask(query.search_id(ids[0], exact=True, limit=40)).hits
    score = next(hit.score for hit in hits if hit.id == ids[1])
    assert found.score == pytest.approx(score, abs=1e-5)
    service.build(transform="l2")
    assert abs(service.ask(query.explain_match(ids[0], to=ids[1])).drift) < 5e-3


def test_of_an_uploaded_picture(filled: Any, picture: Callable[..., bytes]) -> None:
    service, ids = filled
    found = service.ask(query.explain_upload(picture(99), to=ids[1]))
    assert np.sum(found.grid) == pytest.approx(found.cosine, abs=1e-5)
    assert abs(found.drift) < 5e-3
    same = service.ask(query.explain_upload(picture(1), to=ids[1]))
    assert same.cosine == pytest.approx(1, abs=1e-5)


def test_over_the_picture(filled: Any) -> None:
    service, ids = filled
    page = Image.open(io.BytesIO(service.ask(query.draw_match(ids[0], to=ids[1]))))
    assert page.format == "PNG"
    assert page.width == 512


def test_of_a_term_it_is_about(service: Any, picture: Callable[..., bytes]) -> None:
    first = service.add(*(picture(seed) for seed in range(6)), tags=["dog"])[0].id
    service.add(*(picture(seed) for seed in range(10, 16)), tags=["car"])
    with pytest.raises(Conflict, match="needs a matching network"):
        service.ask(query.explain_match(first, term="dog"))
    service.build()
    found = service.ask(query.explain_match(first, term="dog"))
    assert found.approximate
    assert found.other_grid is None
    assert abs(found.drift) < 1e-2
    unknown = service.ask(query.explain_match(first, term="puppy"))
    assert unknown.score is None
    assert service.ask(query.draw_match(first, term="puppy")).startswith(b"\x89PNG")


@pytest.mark.parametrize("asked", [{}, {"to": "a", "term": "b"}])
def test_one_of_both_is_asked_for(filled: Any, asked: dict[str, str]) -> None:
    service, ids = filled
    with pytest.raises(InvalidInput, match="one of `to`"):
        service.ask(query.explain_match(ids[0], **asked))


def test_images_that_are_not_there(filled: Any) -> None:
    service, ids = filled
    with pytest.raises(NotFound):
        service.ask(query.explain_match(ids[0], to="none"))
    with pytest.raises(NotFound):
        service.ask(query.explain_match("none", to=ids[0]))


def test_another_model_explains_nothing(filled: Any, other_embedder: Any, service_at: Any) -> None:
    service, ids = filled
    service.settings = service.settings.model_copy(update={"embedder_url": other_embedder.url})
    with pytest.raises(FingerprintMismatch):
        service.ask(query.explain_match(ids[0], to=ids[1]))
    with pytest.raises(FingerprintMismatch):
        service.ask(query.draw_match(ids[0], to=ids[1]))


def test_an_upload_over_the_picture(filled: Any, picture: Callable[..., bytes]) -> None:
    service, ids = filled
    service.ask(query.get_stats())
    answer = httpx.post(
        f"{service.query_url}/v1/why.png",
        files={"file": picture(2)},
        data={"to": ids[0]},
        trust_env=False,
        timeout=60,
    )
    assert answer.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(answer.content)).width == 512
