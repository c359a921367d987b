"""A collection that lives: whatever is done to it, it answers as a plain table in memory would."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.clients import embedder as embedder_calls
from shared.clients import indexer, query
from shared.clients.transport import Client
from shared.contracts.indexer import ImagePatch
from shared.contracts.query import Metric, Rerank
from shared.media.identity import content_id

SEEDS = 16
TAGS = ("dog", "Night", "new york")
some_tags = st.sets(st.sampled_from(TAGS)).map(sorted)
seeds = st.integers(0, SEEDS - 1)
positions = st.integers(0, 10**6)


@dataclass
class Pictures:
    """Every picture there may be: its bytes, its id, and its features at unit length."""

    bytes: list[bytes]
    ids: list[str] = field(init=False)
    vectors: np.ndarray = field(init=False)

    def embed(self, url):
        self.ids = [content_id(data) for data in self.bytes]
        with Client(url) as client:
            rows = client.send(embedder_calls.embed_images(self.bytes)).vectors.astype(np.float64)
        self.vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Collection(RuleBasedStateMachine):
    """The real services on one side; on the other, the tags of each image by its number."""

    def __init__(self, start, embedder, pictures):
        super().__init__()
        self._pictures = pictures
        self._folder = tempfile.TemporaryDirectory()
        self._data = Path(self._folder.name) / "data"
        embedder.mount(self._data)
        self._start = lambda: start(self._data, embedder.url)
        self._service = self._start().__enter__()
        self.model: dict[int, set[str]] = {}

    def teardown(self):
        self._service.__exit__()
        self._folder.cleanup()

    def _some(self, position):
        return sorted(self.model)[position % len(self.model)]

    # --- what is done to it ---

    @initialize(first=st.lists(seeds, min_size=1, max_size=6, unique=True), tags=some_tags)
    def begin(self, first, tags):
        self.add(first, tags)

    @rule(chosen=st.lists(seeds, min_size=1, max_size=4, unique=True), tags=some_tags)
    def add(self, chosen, tags):
        items = self._service.add(*(self._pictures.bytes[n] for n in chosen), tags=tags)
        assert [item.id for item in items] == [self._pictures.ids[n] for n in chosen]
        for number, item in zip(chosen, items, strict=True):
            assert item.state == ("exists" if number in self.model else "added")
            self.model.setdefault(number, set()).update(tags)
            # Acknowledged, so it finds itself at once.
            assert self._service.found(self._pictures.bytes[number], limit=1) == [item.id]

    @precondition(lambda self: self.model)
    @rule(position=positions)
    def delete(self, position):
        number = self._some(position)
        self._service.send(indexer.delete_image(self._pictures.ids[number]))
        del self.model[number]

    @precondition(lambda self: self.model)
    @rule(position=positions, tags=some_tags)
    def retag(self, position, tags):
        number = self._some(position)
        self._service.send(
            indexer.patch_image(self._pictures.ids[number], ImagePatch(tags=list(tags)))
        )
        self.model[number] = set(tags)

    @rule()
    def compact(self):
        self._service.succeeded(self._service.send(indexer.compact_index()))

    @precondition(lambda self: self.model)
    @rule(clusters=st.integers(1, 4), metric=st.sampled_from(Metric))
    def rebuild(self, clusters, metric):
        self._service.build(clusters=min(clusters, len(self.model)), metric=metric)

    @rule(position=positions)
    def roll_back(self, position):
        there = self._service.send(indexer.list_snapshots()).snapshots
        able = [found.number for found in there if found.model is not None]
        if able:
            self._service.send(indexer.activate_snapshot(able[position % len(able)]))

    @rule()
    def restart(self):
        self._service.__exit__()
        self._service = self._start().__enter__()

    # --- what must hold at every step ---

    @invariant()
    def answers_as_the_model_does(self):
        if not self.model:
            assert self._service.ask(query.get_stats()).images == 0
            return
        numbers = np.array(sorted(self.model))
        ids = [self._pictures.ids[n] for n in numbers]
        asked = int(numbers[0])
        away = 1 - self._pictures.vectors[numbers] @ self._pictures.vectors[asked]
        answer = self._service.ask(
            query.search_image(
                self._pictures.bytes[asked],
                limit=100,
                exact=True,
                metric=Metric.COSINE,
                rerank=Rerank.NONE,
            )
        )
        found = {hit.id: hit for hit in answer.hits}
        assert sorted(found) == sorted(ids)
        assert answer.complete
        assert answer.hits[0].id == self._pictures.ids[asked]
        assert [hit.distance for hit in answer.hits] == sorted(hit.distance for hit in answer.hits)
        for number, image_id, distance in zip(numbers, ids, away, strict=True):
            assert found[image_id].distance == pytest.approx(distance, abs=1e-5)
            assert set(found[image_id].tags) == self.model[int(number)]

    @invariant()
    def tags_find_those_who_carry_them(self):
        counts = {}
        for tag in TAGS:
            carriers = {self._pictures.ids[n] for n, tags in self.model.items() if tag in tags}
            assert self._service.tagged(tag) == carriers
            if carriers:
                counts[tag] = len(carriers)
        there = self._service.ask(query.list_tags()).tags
        assert {found.tag: found.count for found in there} == counts
        assert self._service.ask(query.get_stats()).images == len(self.model)


@pytest.fixture(scope="module")
def pictures(embedder, picture):
    found = Pictures([picture(seed) for seed in range(SEEDS)])
    found.embed(embedder.url)
    return found


def lives(service_at, embedder, pictures, examples, steps):
    run_state_machine_as_test(
        lambda: Collection(service_at, embedder, pictures),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            # A life takes seconds: to look for a shorter one that fails would take minutes.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
def test_a_collection_answers_as_its_model_at_every_step(service_at, embedder, pictures):
    lives(service_at, embedder, pictures, examples=2, steps=12)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_collection_answers_as_its_model_over_a_long_life(service_at, embedder, pictures):
    lives(service_at, embedder, pictures, examples=12, steps=40)
