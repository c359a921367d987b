"""check, repair, backup and restore of a real collection."""

import json
import os
import shutil
import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.indexer.care.backup import BackupWriter, catalogue_of, restore
from services.indexer.care.check import findings
from services.indexer.care.finding import Kind
from services.indexer.care.folder import opened
from services.indexer.care.repair import Repair
from services.query.search.snapshot_reader import SnapshotReader
from shared.clients import curation, indexer
from shared.core.errors import Conflict, Corrupt, InvalidInput, Misconfigured, NotFound
from shared.media.identity import content_id
from tests.indexer.running import until
from tests.ports import free_port

TAGS = ("dog", "cat", "car")
SEEDS = range(18)
# SQLite has checks of its own; a lock is empty; which network is in use follows the snapshot.
PASSED_OVER = ("catalog.sqlite", ".lock", "networks/CURRENT")


@pytest.fixture(scope="module")
def grown(embedder, service_at, picture, tmp_path_factory):
    """A data directory with every kind of file: built, trained, added to, deleted from."""
    folder = tmp_path_factory.mktemp("grown")
    data, source = folder / "data", folder / "source"
    for n in SEEDS:
        path = source / TAGS[n % 3] / f"{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(n))
    embedder.mount(data)
    with service_at(data, embedder.url) as service:
        service.ingest(source, clusters=3)
        service.add(picture(100), tags=["bird"])
        service.add(picture(101), picture(102), tags=["bird"])
        service.send(indexer.delete_image(content_id(picture(101))))
    return data


@pytest.fixture
def data(grown, tmp_path):
    """A copy of it, to be damaged."""
    return shutil.copytree(grown, tmp_path / "data")


def found(data):
    with opened(data, catalogue_of(data)) as folder:
        return list(findings(folder))


def wrong(data):
    return [finding for finding in found(data) if not finding.is_harmless]


def repaired(data):
    with opened(data, catalogue_of(data)) as folder:
        deeds = Repair(folder).plan()
        for deed in deeds:
            if deed.do is not None:
                deed.do()
    return deeds


def flip(path, at=None, mask=0xFF):
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if at is None else at] ^= mask
    path.write_bytes(content)


def one(data, pattern):
    return sorted(data.glob(pattern))[-1]


def segments_in_use(data):
    with opened(data, catalogue_of(data)) as folder:
        current = folder.snapshots.current()
        return [folder.snapshots.segments / file.name for file in current.files()]


def watched(data):
    """Every file that `check` vouches for."""
    files = sorted(path for path in data.rglob("*") if path.is_file())
    return [path for path in files if str(path.relative_to(data)) not in PASSED_OVER]


def answers(service, picture):
    seeds = [*SEEDS, 100, 102]
    hits = {n: service.found(picture(n), limit=5, exact=True) for n in seeds}
    return hits, {tag: service.tagged(tag) for tag in (*TAGS, "bird")}


def test_an_intact_collection_has_nothing_to_tell(grown):
    assert found(grown) == []


@pytest.mark.slow
def test_a_flipped_byte_a_cut_and_a_missing_file_are_told_of_every_file(data):
    for path in watched(data):
        content = path.read_bytes()
        for damage in (flip, lambda p: os.truncate(p, p.stat().st_size // 2), os.unlink):
            damage(path)
            told = [finding.sentence for finding in found(data)]
            assert any(path.name.removesuffix(".sha256") in sentence for sentence in told), path
            path.write_bytes(content)
    assert found(data) == []


@settings(max_examples=25, deadline=None)
@given(choices=st.data())
def test_any_flipped_byte_is_told(grown, choices):
    files = [path for path in watched(grown) if path.suffix != ".sha256"]
    path = choices.draw(st.sampled_from(files))
    at = choices.draw(st.integers(0, path.stat().st_size - 1))
    mask = choices.draw(st.integers(1, 255))
    flip(path, at, mask)
    try:
        assert any(finding.path == path for finding in wrong(grown))
    finally:
        flip(path, at, mask)


def test_a_damaged_snapshot_is_not_served_but_the_one_before(data):
    number = SnapshotReader(data).current()[0].manifest.number
    flip(segments_in_use(data)[0])
    shelf = SnapshotReader(data)
    assert shelf.current()[0].manifest.number < number
    assert f"Snapshot {number} is damaged" in shelf.warning


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("damage", [flip, cut, os.unlink])
def test_no_damaged_file_of_the_snapshot_in_use_is_served_and_the_log_names_it(
    data, damage, caplog
):
    newest = SnapshotReader(data).current()[0].manifest.number
    folder = data / "snapshots"
    manifest = folder / f"{newest:06d}" / "manifest.json"
    for path in [*segments_in_use(data), manifest, folder / "CURRENT"]:
        content = path.read_bytes()
        damage(path)
        caplog.clear()
        try:
            assert SnapshotReader(data).current()[0].manifest.number < newest
            told = caplog.text
        except Corrupt as error:
            # Nor is there an older one without that file.
            told = error.detail
        assert (f"napshot {newest}" if path == manifest else path.name) in told, path
        path.write_bytes(content)
    assert SnapshotReader(data).current()[0].manifest.number == newest


def test_the_snapshot_that_was_served_goes_on_when_the_pointer_is_damaged(data):
    shelf = SnapshotReader(data)
    served, _ = shelf.current()
    flip(data / "snapshots" / "CURRENT")
    assert shelf.current()[0] is served


@pytest.mark.parametrize("kind", ["visual", "items"])
@pytest.mark.parametrize("which", ["first", "last"])
def test_a_damaged_segment_is_made_anew_from_the_features(
    data, grown, kind, which, embedder, service_at, picture
):
    embedder.mount(grown)
    with service_at(grown, embedder.url) as service:
        before = answers(service, picture)
    # In the order of the manifest: the build's own, then the additions.
    found = [path for path in segments_in_use(data) if path.match(f"{kind}-*")]
    flip(found[0 if which == "first" else -1])
    assert [deed.is_mended for deed in repaired(data)] == [True]
    assert wrong(data) == []
    embedder.mount(data)
    with service_at(data, embedder.url) as service:
        for job in service.send(indexer.list_jobs()).jobs:
            service.succeeded(job)
        # What is missing is published soon after the start.
        until(lambda: answers(service, picture) == before)


def test_damaged_features_are_taken_from_the_snapshot(data, embedder, service_at, picture):
    for path in sorted(data.glob("features/*/0*.npy")):
        flip(path)
    deeds = repaired(data)
    assert deeds
    assert all("from the snapshot" in deed.sentence for deed in deeds)
    assert wrong(data) == []
    embedder.mount(data)
    with service_at(data, embedder.url) as service:
        service.build(clusters=2)
        assert service.finds_itself(picture(3))
        assert service.send(indexer.get_stats()).images == len(SEEDS) + 2


def test_an_upload_is_taken_from_where_it_is_too_and_what_can_not_be_mended_is_said(data):
    flip(one(data, "networks/*/network.safetensors"))
    # The folder that was copied has it still.
    flip(one(data, "images/uploads/*/*"))
    deeds = {deed.finding.kind: deed for deed in repaired(data)}
    assert "train again" in deeds[Kind.NETWORK].sentence
    assert deeds[Kind.UPLOAD].is_mended
    assert {finding.kind for finding in wrong(data)} == {Kind.NETWORK}


def test_strays_are_removed(data):
    (data / "segments" / "visual-0000000000000000.hdf5").write_bytes(b"x")
    (data / "features" / ".00000009.npy.1.tmp").write_bytes(b"x")
    assert {finding.kind for finding in found(data)} == {Kind.STRAY}
    repaired(data)
    assert found(data) == []


def test_a_lost_deletion_is_told_and_made_anew(data):
    (data / "tombstones").unlink()
    [finding] = wrong(data)
    assert finding.kind is Kind.TOMBSTONE
    repaired(data)
    assert wrong(data) == []


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


def ise(data, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "shared.cli.main", *arguments],
        env={**os.environ, "ISE_DATA_DIR": str(data)},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_commands_and_their_exit_codes(data, tmp_path):
    flip(one(data, "features/*/0*.npy"))
    told = ise(data, "check", "--json")
    assert told.returncode == 1
    assert [f["kind"] for f in json.loads(told.stdout)["findings"]] == ["features"]
    dry = ise(data, "repair")
    assert "can be mended" in dry.stdout
    assert ise(data, "check").returncode == 1
    assert ise(data, "repair", "--apply").returncode == 0
    assert ise(data, "check").returncode == 0
    assert ise(data, "backup", str(tmp_path / "backup")).returncode == 0
    assert ise(tmp_path / "new", "restore", str(tmp_path / "backup")).returncode == 0
    nothing = ise(tmp_path / "nowhere", "check")
    assert (nothing.returncode, "doesn't exist" in nothing.stderr) == (1, True)


def test_a_repair_waits_for_no_indexer_but_refuses(data, embedder, service_at):
    embedder.mount(data)
    with service_at(data, embedder.url):
        refused = ise(data, "repair", "--apply")
    assert (refused.returncode, "Another indexer" in refused.stderr) == (1, True)


def test_an_indexer_names_what_keeps_it_from_starting(data):
    (data / "snapshots" / "CURRENT").unlink()
    ended = subprocess.run(
        [sys.executable, "-m", "services.indexer"],
        env={**os.environ, "ISE_DATA_DIR": str(data), "ISE_INDEXER_PORT": str(free_port())},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    assert "CURRENT is missing, though there are snapshots" in ended.stderr
    repaired(data)
    assert wrong(data) == []


def restored_101(data, embedder, service_at, picture):
    """Bring the deleted image back; give the answer and what is found by its picture then."""
    embedder.mount(data)
    with service_at(data, embedder.url) as service:
        answer = service.send(curation.restore_images([content_id(picture(101))]))
        service.add(picture(103))
        return answer, service.found(picture(101), limit=50, exact=True)


def test_an_image_of_the_trash_gets_no_other_pictures_vector_after_a_repair(
    data, embedder, service_at, picture
):
    for path in sorted(data.glob("features/*/0*.npy")):
        flip(path)
    assert any("trash" in deed.sentence for deed in repaired(data))
    assert found(data) == []
    gone = content_id(picture(101))
    answer, hits = restored_101(data, embedder, service_at, picture)
    assert answer.restored == answer.unsearchable == [gone]
    assert gone not in hits


def test_an_image_whose_features_are_damaged_comes_back_and_stops_no_publication(
    data, embedder, service_at, picture
):
    for path in sorted(data.glob("features/*/0*.npy")):
        path.unlink()
    gone = content_id(picture(101))
    answer, hits = restored_101(data, embedder, service_at, picture)
    assert answer.unsearchable == [gone]
    assert content_id(picture(103)) in hits
    assert gone not in hits


def test_features_that_only_the_trash_needs_are_checked(data, embedder, service_at, picture):
    embedder.mount(data)
    with service_at(data, embedder.url) as service:
        before = set(data.glob("features/*/0*.npy"))
        service.add(picture(104))
        service.send(indexer.delete_image(content_id(picture(104))))
    assert found(data) == []
    [*own] = set(data.glob("features/*/0*.npy")) - before
    assert own
    for path in own:
        flip(path)
    assert {finding.path for finding in wrong(data)} == set(own)
    repaired(data)
    assert wrong(data) == []
