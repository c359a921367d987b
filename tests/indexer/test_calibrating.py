"""What is learnt from tags: how likely a hit of some score matches."""

import numpy as np
import pytest
from PIL import Image

from services.indexer.measuring.calibration import calibrate
from shared.clients import query
from shared.contracts.query import Metric
from tests.shared.indexes import index_of

pytestmark = [pytest.mark.floats, pytest.mark.engine]


@pytest.fixture(scope="module")
def grouped(tmp_path_factory):
    """An index of 1,200 vectors around 12 centres, and the centre of each."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(12, 16))
    labels = rng.integers(0, 12, 1200)
    vectors = (centres[labels] + 1.05 * rng.normal(size=(1200, 16))).astype(np.float32)
    folder = tmp_path_factory.mktemp("grouped") / "index"
    return index_of(folder, vectors, 8, Metric.COSINE), labels


def test_probabilities_are_those_of_held_out_queries(grouped):
    index, labels = grouped
    tags = {number: [f"tag-{label}"] for number, label in enumerate(labels.tolist())}
    found = calibrate(index, tags, [], seed=0)
    assert [one.metric for one in found] == list(Metric)
    for one in found:
        assert (one.queries, one.pairs) == (1000, 20_000)
        assert one.expected_error < 0.03
        assert one.brier < one.base_rate_brier
        assert one.probabilities == sorted(one.probabilities)
        assert one.probabilities[0] < np.mean(one.matched) < one.probabilities[-1]


def test_hits_without_tags_tell_nothing(grouped):
    index, labels = grouped
    tags = {n: [f"tag-{label}"] for n, label in enumerate(labels.tolist()) if n % 3 == 0}
    found = calibrate(index, tags, [], seed=0)
    assert {one.queries for one in found} == {400}
    assert all(0 < one.pairs < 20 * 400 for one in found)
    # Were they taken for misses, two of three would be.
    assert all(one.probabilities[-1] > 0.8 for one in found)


@pytest.mark.parametrize("tags", [{}, {3: ["dog"], 4: ["dog"]}])
def test_too_few_tags_give_no_probability(grouped, tags):
    assert calibrate(grouped[0], tags, [], seed=0) == []


def test_tags_that_all_share_give_no_probability(grouped):
    index, labels = grouped
    assert calibrate(index, {n: ["photo"] for n in range(len(labels))}, [], seed=0) == []


def test_the_same_seed_gives_the_same_curve(grouped):
    index, labels = grouped
    tags = {n: [f"tag-{label}"] for n, label in enumerate(labels.tolist())}
    assert calibrate(index, tags, [], seed=3) == calibrate(index, tags, [], seed=3)


COLOURS = {"dog": (200, 40, 40), "cat": (40, 200, 40), "car": (40, 40, 200)}


def coloured(folder, each):
    """Pictures of three tags, each of a colour of its own with some noise."""
    rng = np.random.default_rng(0)
    for tag, colour in COLOURS.items():
        (folder / tag).mkdir(parents=True)
        for number in range(each):
            noise = rng.integers(-30, 30, (48, 48, 3))
            pixels = (np.array(colour) + noise).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / tag / f"{number}.png")
    return folder


def test_hits_tell_how_likely_they_match(service, tmp_path):
    folder = coloured(tmp_path / "coloured", 12)
    service.ingest(folder, clusters=2)
    data = (folder / "dog" / "3.png").read_bytes()
    own, *others = service.ask(query.search_image(data, limit=36, rerank="none")).hits
    assert own.probability == 1
    chances = [hit.probability for hit in others]
    assert chances == sorted(chances, reverse=True)
    assert all(0 < chance < 1 for chance in chances)


def test_probabilities_that_tell_nothing_are_null(service, folder_of, picture):
    tags = ("dog", "cat", "car")
    service.ingest(folder_of({f"{tags[n % 3]}/{n}.png": n for n in range(24)}), clusters=2)
    found = service.ask(query.search_image(picture(3), limit=24)).hits
    assert {hit.probability for hit in found} == {None}
    tagged = service.ask(query.search_term("dog")).hits
    assert len(tagged) == 8
    assert {hit.probability for hit in tagged} == {None}


def test_without_tags_no_probability_is_told(service, picture):
    service.add(*(picture(seed) for seed in range(24)))
    service.build(clusters=2)
    answer = service.ask(query.search_image(picture(100), limit=24))
    assert {hit.probability for hit in answer.hits} == {None}
