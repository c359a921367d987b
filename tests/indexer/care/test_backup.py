"""A backup is consistent, and answers alike where it is restored."""

import threading

import pytest

from services.indexer.care.backup import BackupWriter, catalogue_of, restore
from services.indexer.care.check import findings
from services.indexer.care.folder import opened
from shared.clients import indexer
from shared.core.errors import Conflict, Corrupt, InvalidInput, Misconfigured, NotFound
from shared.media.identity import content_id
from tests.indexer.care.caring import SEEDS, TAGS, answers, flip, one, wrong
from tests.indexer.running import until


@pytest.mark.slow
def test_a_backup_during_writes_answers_alike_where_it_is_restored(
    data, tmp_path, embedder, service_at, picture
):
    embedder.mount(data)
    with service_at(data, embedder.url) as service:
        stop = threading.Event()
        added: list[bytes] = []

        def write() -> None:
            while not stop.is_set():
                new = picture(1000 + len(added))
                service.add(new, tags=["late"])
                if len(added) % 2:
                    service.send(indexer.delete_image(content_id(added[-1])))
                added.append(new)

        writing = threading.Thread(target=write)
        writing.start()
        try:
            for _ in range(3):
                with opened(data, catalogue_of(data)) as folder:
                    told = BackupWriter(folder, tmp_path / "backup").write()
        finally:
            stop.set()
            writing.join()
        assert told.copied < told.files
        before = answers(service, picture)
    new = tmp_path / "new"
    restore(tmp_path / "backup", new)
    # The catalogue may be ahead of the snapshot; the start publishes the rest.
    assert wrong(new) == []
    embedder.mount(new)
    with service_at(new, embedder.url) as service:
        hits, tagged = answers(service, picture)
        for seed in (*SEEDS, 100, 102):
            assert hits[seed][0] == before[0][seed][0] == content_id(picture(seed))
        assert {tag: tagged[tag] for tag in TAGS} == {tag: before[1][tag] for tag in TAGS}
        # Numbers of images are not given again: what is added is found.
        assert service.found(picture(5000), limit=1) != []
        service.add(picture(5000))
        assert service.finds_itself(picture(5000))
        assert service.send(indexer.get_image_file(content_id(picture(100))))[0] == picture(100)


@pytest.mark.slow
def test_a_backup_leads_from_one_database_to_the_other_and_back(
    data, tmp_path, embedder, service_at, picture, postgres
):
    url, backup = postgres.new(), tmp_path / "backup"
    embedder.mount(data)
    with service_at(data, embedder.url) as service:
        before = answers(service, picture)
    with opened(data, catalogue_of(data)) as folder:
        newest = folder.images.newest()
        BackupWriter(folder, backup).write()
    shared = tmp_path / "shared"
    restore(backup, shared, url)
    with opened(shared, url, alone=True) as folder:
        assert [f for f in findings(folder) if not f.is_harmless] == []
        assert folder.images.newest() == newest
    with pytest.raises(Conflict, match="Name an empty one"):
        restore(backup, tmp_path / "other", url)
    embedder.mount(shared)
    with service_at(shared, embedder.url, database_url=url) as service:
        # What is missing is published soon after the start.
        until(lambda: answers(service, picture) == before)
        service.add(picture(6000), tags=["new"])
        with opened(shared, url) as folder:
            assert folder.is_in_use
            BackupWriter(folder, backup).write()
        with pytest.raises(Misconfigured, match="Another indexer"), opened(shared, url, alone=True):
            pass
        before = answers(service, picture)
    new = tmp_path / "new"
    restore(backup, new)
    assert wrong(new) == []
    embedder.mount(new)
    with service_at(new, embedder.url) as service:
        # What is missing is published soon after the start.
        until(lambda: answers(service, picture) == before)
        assert service.finds_itself(picture(6000))


def test_a_backup_of_nothing_new_copies_nothing(data, tmp_path):
    with opened(data, catalogue_of(data)) as folder:
        BackupWriter(folder, tmp_path / "backup").write()
        assert BackupWriter(folder, tmp_path / "backup").write().copied == 0
    flip(one(tmp_path, "backup/features/*/0*.npy"))
    with pytest.raises(Corrupt, match="damaged"):
        restore(tmp_path / "backup", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_backup_goes_to_a_folder_of_its_own(data, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    with opened(data, catalogue_of(data)) as folder:
        for target in (tmp_path / "full", data, data / "backup"):
            with pytest.raises(InvalidInput):
                BackupWriter(folder, target).write()
        BackupWriter(folder, tmp_path / "backup").write()
    with pytest.raises(Conflict, match="not empty"):
        restore(tmp_path / "backup", data)
    with pytest.raises(NotFound, match="no finished backup"):
        restore(tmp_path / "full", tmp_path / "new")
