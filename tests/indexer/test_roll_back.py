"""Snapshots: the way back, which of them are kept, and damage."""

import os
import time

import pytest

from shared.clients import indexer
from shared.core.errors import NotFound
from shared.media.identity import content_id
from tests.indexer.training import OTHER, QUICK, current, tagged_folder


def test_a_roll_back_keeps_deletes_and_later_adds(service, picture):
    first, _ = service.add(picture(0), picture(1), tags=["old"])
    service.build(clusters=2)
    back = current(service)
    service.add(picture(2), tags=["late"])
    service.build(clusters=1)
    service.send(indexer.delete_image(first.id))
    newest, *_ = service.send(indexer.activate_snapshot(back)).snapshots
    assert newest.current
    assert newest.number > back
    assert (newest.clusters, newest.images) == (2, 2)
    assert newest.reason == f"roll-back to snapshot {back}"
    assert first.id not in service.found(picture(0))
    assert service.finds_itself(picture(2))
    assert service.tagged("late") == {content_id(picture(2))}
    service.add(picture(3))
    assert len(service.found(picture(3))) == 3


def test_a_roll_back_keeps_new_tags(service, picture):
    [item] = service.add(picture(0), tags=["old"])
    service.build()
    back = current(service)
    service.add(picture(0), tags=["new"])
    service.send(indexer.activate_snapshot(back))
    assert service.tagged("new") == {item.id}


def test_there_is_no_way_back_to_what_never_was(service):
    with pytest.raises(NotFound, match="no snapshot 99"):
        service.send(indexer.activate_snapshot(99))
    assert service.http.post("/v1/snapshots/x/activate").status_code == 422


def test_old_snapshots_go_and_those_of_builds_stay_longer(service, picture, monkeypatch):
    monkeypatch.setattr("services.indexer.publishing.retention._KEPT_SNAPSHOTS", 3)
    service.add(picture(0))
    service.build()
    built = current(service)
    for seed in range(1, 7):
        service.add(picture(seed))
        (service.data / "snapshots" / f"{current(service):06d}" / "stray").write_text("x")
    numbers = [s.number for s in service.send(indexer.list_snapshots()).snapshots]
    assert built in numbers
    assert len(numbers) == 4
    service.send(indexer.activate_snapshot(built))
    assert all(service.finds_itself(picture(seed)) for seed in range(7))


def test_networks_that_no_kept_snapshot_has_go_after_a_week(start, folder_of, picture, monkeypatch):
    kept = "services.indexer.publishing.retention"
    monkeypatch.setattr(f"{kept}._KEPT_SNAPSHOTS", 1)
    monkeypatch.setattr(f"{kept}._KEPT_MILESTONES", 1)
    with start(learn_after=0) as service:
        networks = service.data / "networks"

        def stored() -> set[str]:
            return {folder.name for folder in networks.iterdir() if folder.is_dir()}

        service.ingest(tagged_folder(folder_of), build=False)
        service.succeeded(service.send(indexer.train_matching(QUICK)))
        first = stored()
        service.succeeded(service.send(indexer.train_matching(OTHER)))
        [second] = stored() - first
        service.add(picture(90))
        assert stored() == {*first, second}
        for name in (*first, second):
            os.utime(networks / name, (0, time.time() - 8 * 24 * 3600))
        service.add(picture(91))
        assert stored() == {second}
        assert service.tagged("dog")


def test_a_snapshot_with_a_damaged_file_is_not_activated(service, picture):
    service.add(picture(0))
    service.build()
    manifest = service.parts.current.manifest()
    service.add(picture(1))
    path = service.data / "segments" / manifest.items[0].name
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    answer = service.http.post(f"/v1/snapshots/{manifest.number}/activate")
    assert answer.status_code == 500
    assert "damaged" in answer.json()["detail"]
