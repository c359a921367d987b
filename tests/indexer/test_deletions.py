"""The file of deletions, damaged or of an older version, in a collection that is served."""

import os
import subprocess
import sys

import pytest

from services.indexer.care.backup import catalogue_of
from services.indexer.care.check import findings
from services.indexer.care.finding import Kind
from services.indexer.care.folder import opened
from services.indexer.care.repair import Repair
from services.indexer.publishing.sync_note import SyncNote
from services.query.search.snapshot_reader import SnapshotReader
from shared.clients import indexer
from shared.contracts.indexer import AddState
from shared.core.errors import CatalogueAway, Corrupt
from shared.files import durable
from shared.media.identity import content_id
from tests.ports import free_port


@pytest.fixture
def data(service_at, embedder, tmp_path, picture):
    """A data directory of three images, of which one was deleted."""
    data = tmp_path / "data"
    embedder.mount(data)
    with service_at(data, embedder.url) as service:
        service.add(picture(1), picture(2), picture(3))
        service.send(indexer.delete_image(content_id(picture(2))))
    return data


def kinds(data):
    with opened(data, catalogue_of(data)) as folder:
        return [finding.kind for finding in findings(folder)]


def repair(data):
    with opened(data, catalogue_of(data)) as folder:
        for deed in Repair(folder).plan():
            deed.do()


def damage(data):
    path = data / "tombstones"
    content = bytearray(path.read_bytes())
    content[8] ^= 0x01
    path.write_bytes(content)


@pytest.mark.slow
def test_damaged_deletions_are_not_passed_over_but_made_anew_from_the_catalogue(
    data, service_at, embedder, picture
):
    shelf = SnapshotReader(data)
    before = shelf.current()[1].tolist()
    damage(data)
    # Who knows them already goes on with them, and says so; nobody else serves.
    assert shelf.current()[1].tolist() == before == [2]
    assert "tombstones is damaged" in shelf.warning
    with pytest.raises(Corrupt, match="tombstones is damaged"):
        SnapshotReader(data).current()
    ended = subprocess.run(
        [sys.executable, "-m", "services.indexer"],
        env={**os.environ, "ISE_DATA_DIR": str(data), "ISE_INDEXER_PORT": str(free_port())},
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, "tombstones is damaged" in ended.stderr) == (1, True)
    assert kinds(data) == [Kind.TOMBSTONES]
    repair(data)
    assert kinds(data) == []
    assert (data / "damaged" / "tombstones").exists()
    assert shelf.current()[1].tolist() == before
    assert shelf.warning is None
    with service_at(data, embedder.url) as service:
        assert set(service.found(picture(2))) == {content_id(picture(n)) for n in (1, 3)}


def test_deletions_of_an_older_version_are_read_and_get_their_checksum(data):
    shelf = SnapshotReader(data)
    deleted = shelf.current()[1]
    (data / "tombstones").write_bytes(deleted.astype("<i8").tobytes())
    assert shelf.current()[1].tolist() == deleted.tolist()
    assert kinds(data) == [Kind.UNSUMMED]
    repair(data)
    assert kinds(data) == []
    assert shelf.current()[1].tolist() == deleted.tolist()


@pytest.mark.parametrize("took_it", [True, False])
def test_a_deletion_whose_answer_is_lost_is_finished(service, picture, monkeypatch, took_it):
    image = service.add(picture(1), picture(2))[0].id
    delete = service.parts.origins.delete_all

    def answered_to_nobody(ids, bury, *others):
        if took_it:
            delete(ids, bury, *others)
        else:
            bury({service.parts.images.get(one)[1].ordinal: one for one in ids})
        raise CatalogueAway("the server ended the connection")

    with monkeypatch.context() as patched:
        patched.setattr(service.parts.origins, "delete_all", answered_to_nobody)
        assert service.http.delete(f"/v1/images/{image}").status_code == 503
    assert not service.finds_itself(picture(1))
    # It's gone for good, so the same picture is a new one.
    [again] = service.add(picture(1))
    assert (again.id, again.state) == (image, AddState.ADDED)
    assert service.finds_itself(picture(1))
    service.send(indexer.delete_image(image))
    assert service.http.get(f"/v1/images/{image}").status_code == 404
    assert not service.finds_itself(picture(1))


def test_a_note_that_a_killed_process_was_writing_is_removed(tmp_path):
    left = durable.temporary_of(tmp_path / "sync-deletions.json")
    left.write_text('{"ordinals": [')
    SyncNote(tmp_path).tidy()
    assert list(tmp_path.iterdir()) == []
