"""Damaged labels are a finding, and never stop a search, a backup or a publication."""

import pytest

from services.indexer.care.backup import BackupWriter, restore
from services.indexer.care.check import findings
from services.indexer.care.finding import Kind
from services.indexer.care.folder import opened
from services.indexer.care.repair import Repair
from shared.clients import curation, indexer, query
from shared.contracts.curation import BulkRequest
from shared.contracts.filters import Filter
from tests.indexer.labels.labelled import complete, manifest, published


@pytest.mark.slow
def test_damaged_labels_stop_nothing_and_are_computed_anew(lite, start, picture):
    with start(lite) as service:
        ids = [item.id for item in service.add(picture(1), picture(2))]
        [file] = manifest(service).labels.files
        path = service.data / "segments" / file.name
    path.write_bytes(path.read_bytes()[:-8] + b"damaged!")
    with start(lite) as service:
        assert service.finds_itself(picture(1))
        assert service.ask(query.get_image(ids[0])).labels == []
        [third] = service.add(picture(3))
        service.succeeded(service.send(indexer.compute_labels()))
        assert complete(service)
        assert service.ask(query.get_image(ids[0])).labels
        assert service.finds_itself(picture(3))
        assert third.id not in ids


def test_damaged_labels_are_a_finding_of_their_own_and_repaired_by_going_without(
    damaged, lite, start, picture
):
    data, url, path = damaged
    with opened(data, url) as folder:
        assert {(one.kind, one.path) for one in findings(folder)} == {(Kind.LABELS, path)}
        for deed in Repair(folder).plan():
            deed.do()
        assert [one for one in findings(folder) if not one.is_harmless] == []
        assert folder.snapshots.current().labels is None
        assert folder.snapshots.current().images == 3
    with start(lite) as service:
        assert service.finds_itself(picture(1))
        service.succeeded(service.send(indexer.compute_labels()))
        assert complete(service)


@pytest.mark.parametrize("damage", ["flipped", "missing"])
def test_a_backup_does_not_refuse_for_damaged_labels(damaged, tmp_path, damage):
    data, url, path = damaged
    if damage == "missing":
        path.unlink()
    with opened(data, url) as folder:
        assert BackupWriter(folder, tmp_path / "backup").write().images == 3
    restore(tmp_path / "backup", tmp_path / "restored")


def test_a_roll_back_drops_labels_that_are_damaged(lite, start, picture):
    with start(lite) as service:
        service.add(picture(1), picture(2))
        number = manifest(service).number
        service.add(picture(3))
        path = service.data / "segments" / manifest(service).labels.files[0].name
        path.write_bytes(path.read_bytes()[:-8] + b"damaged!")
        service.send(indexer.activate_snapshot(number))
        assert service.finds_itself(picture(1))
        assert service.finds_itself(picture(3))


def test_labels_that_were_dropped_are_computed_anew_for_every_image(lite, start, picture):
    with start(lite) as service:
        service.add(picture(1), picture(2))
        service.add(picture(3))
        publisher = service.parts.publisher
        publisher.labels.with_labels(manifest(service))
        for file in manifest(service).labels.files:
            path = service.data / "segments" / file.name
            path.write_bytes(path.read_bytes()[:-8] + b"damaged!")
        publisher.labels._opened.clear()
        publisher.labels._segments._checked = type(publisher.labels._segments._checked)()
        service.add(picture(4))
        service.add(picture(5))
        assert complete(service)
        assert len(published(service)) == 5


def test_a_change_by_a_filter_without_labels_does_without_damaged_ones(
    damaged, lite, start, picture
):
    with start(lite) as service:
        everything = Filter.model_validate({"must_not": [{"tag": "none of them"}]})
        changed = service.send(
            curation.change_images(BulkRequest(filter=everything, add_tags=["seen"]))
        )
        assert changed.changed == 3
