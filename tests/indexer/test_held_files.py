"""Files that a build is made of stay, however many snapshots are published meanwhile."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from shared.clients import indexer
from shared.contracts.indexer import BuildSettings
from shared.core.errors import Corrupt
from shared.snapshots.manifest import Manifest

# More than are kept for a roll-back.
MANY = 12


def in_another_thread(work: Callable[[], Any]) -> None:
    """Files of a thread that aren't published yet are its own, so others remove them."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


class World:
    """A collection of pictures, whose snapshot has a file that the next ones lack."""

    def __init__(self, service: Any) -> None:
        self.service = service
        parts = service.parts
        self.publisher, self.current = parts.publisher, parts.current
        self.segments = parts.index.segments
        self.former = self.current.manifest()
        self.kept_file = self.segments.items([])

        def marked(current: Manifest) -> Manifest:
            items = [*current.items, self.kept_file]
            return current.model_copy(update={"items": items, "reason": "marked"})

        self.publisher.publish(marked)

    @property
    def is_there(self) -> bool:
        return bool((self.segments.folder / self.kept_file.name).exists())

    def publish_many(self) -> None:
        update = {"items": self.former.items, "reason": "another"}
        for _ in range(MANY):
            self.publisher.publish(lambda current: current.model_copy(update=update))


@pytest.fixture
def world(start: Callable[..., Any], folder_of: Callable[..., Any]) -> Any:
    with start() as service:
        service.ingest(folder_of({f"{n}.png": n for n in range(6)}))
        yield World(service)


def test_files_of_a_held_snapshot_stay_as_long_as_it_is_held(world: World) -> None:
    with world.current.holding() as held:
        assert world.kept_file in held.files()
        in_another_thread(world.publish_many)
        assert world.is_there
    in_another_thread(world.publish_many)
    assert not world.is_there


def test_a_build_holds_what_it_takes_over_from_the_snapshot_before_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, there = world.publisher.labels, []
    complete = labels.complete

    def completed(*args: Any, **options: Any) -> Manifest:
        in_another_thread(world.publish_many)
        there.append(world.is_there)
        found: Manifest = complete(*args, **options)
        return found

    monkeypatch.setattr(labels, "complete", completed)
    service = world.service
    service.succeeded(service.send(indexer.build_index(BuildSettings(clusters=2))))
    assert there == [True]


def test_labels_are_computed_on_files_that_stay(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, there = world.publisher.labels, []

    def completed(base: Manifest, *_: Any, **__: Any) -> Manifest:
        in_another_thread(world.publish_many)
        there.append(world.is_there)
        return base

    monkeypatch.setattr(labels, "complete", completed)
    service = world.service
    service.succeeded(service.send(indexer.compute_labels()))
    assert there == [True]


def test_a_draft_whose_files_went_while_others_published_is_written_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafting = world.publisher._drafting
    caught_up, tried = drafting.caught_up, []

    def damaged(*args: Any) -> Any:
        tried.append(args)
        if len(tried) == 1:
            raise Corrupt("a file of the draft is gone")
        return caught_up(*args)

    def make(current: Manifest) -> Manifest:
        if not started:
            started.append(current.number)
            # While this one is prepared, another is published.
            in_another_thread(world.publish_many)
        return current.model_copy(update={"reason": "mine"})

    started: list[int] = []
    monkeypatch.setattr(drafting, "caught_up", damaged)
    assert world.publisher.publish(make).reason == "mine"
    assert len(tried) == 1
    assert world.current.manifest().reason == "mine"


def test_a_damaged_file_fails_a_publication_that_nobody_disturbed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def committed(*_: Any) -> Any:
        raise Corrupt("a file is damaged")

    monkeypatch.setattr(world.publisher, "_committed", committed)
    with pytest.raises(Corrupt):
        world.publisher.publish(lambda current: current.model_copy(update={"reason": "mine"}))
