"""`ise repair` rebuilds what intact files allow."""

import json
import os
import subprocess
import sys

import pytest
from sqlalchemy import update

from services.indexer.care.backup import catalogue_of
from services.indexer.care.finding import Kind
from services.indexer.care.folder import opened
from services.indexer.catalog.schema import locations
from services.indexer.catalog.stored_names import first_upload
from shared.clients import curation, indexer
from shared.media.identity import content_id
from tests.indexer.care.caring import (
    SEEDS,
    answers,
    flip,
    found,
    ise,
    one,
    repaired,
    segments_in_use,
    wrong,
)
from tests.indexer.running import until
from tests.ports import free_port


@pytest.mark.parametrize(
    ("which", "kind"),
    [
        ("first", "visual"),
        pytest.param("first", "items", marks=pytest.mark.slow),
        pytest.param("last", "visual", marks=pytest.mark.slow),
        ("last", "items"),
    ],
)
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


def test_only_uploads_that_no_row_names_are_strays(data):
    """Older versions left the files of some removed images, under the names of that time."""
    with opened(data, catalogue_of(data)) as folder:
        named = folder.uploads()
        trashed = folder.trashed()
        assert {image_id for image_id, _ in named.values()} > trashed
        own = {image_id: name for name, (image_id, _) in named.items()}
        [moved, *_] = own.keys() - trashed
        # As a store had it, whose files were copied to this folder since.
        address = f"s3://bucket/folder/{own[moved]}"
        with folder.database.write() as db:
            is_its = locations.c.path.contains(own[moved])
            assert db.execute(update(locations).where(is_its).values(path=address)).rowcount == 1
        former = [folder.files.kept(first_upload(one)) for one in (*own, "gone")]
    for path in former:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    told = [finding for finding in found(data) if finding.kind is Kind.STRAY]
    assert sorted(finding.path for finding in told) == sorted(former)
    repaired(data)
    assert not any(path.exists() for path in former)
    assert all((data / "images" / name).exists() for name in named)


def test_a_lost_deletion_is_told_and_made_anew(data):
    (data / "tombstones").unlink()
    [finding] = wrong(data)
    assert finding.kind is Kind.TOMBSTONE
    repaired(data)
    assert wrong(data) == []


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


@pytest.mark.slow
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
