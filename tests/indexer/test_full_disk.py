"""A full disk at one step of a change: a clear error, nothing half done, and the next try works."""

import subprocess
from contextlib import suppress

import pytest

from shared.clients import indexer
from shared.contracts.indexer import ImagePatch
from shared.core import failpoints
from shared.core.errors import NotFound, StorageFull
from shared.media.identity import content_id


@pytest.fixture
def full(monkeypatch):
    """Makes the disk be full at a step, or at none."""

    def at(name=""):
        monkeypatch.setenv(failpoints.VARIABLE, f"{name}=full" if name else "")
        failpoints._armed.cache_clear()

    yield at
    monkeypatch.delenv(failpoints.VARIABLE, raising=False)
    failpoints._armed.cache_clear()


@pytest.mark.parametrize(
    "step", ["tombstones.begin", "tombstones.written", "delete.buried", "catalogue.commit"]
)
def test_a_refused_deletion_leaves_the_image_as_it_was(service, picture, full, step):
    service.add(picture(1), picture(2))
    full(step)
    with pytest.raises(StorageFull):
        service.send(indexer.delete_image(content_id(picture(1))))
    assert service.finds_itself(picture(1))
    assert service.send(indexer.get_image_file(content_id(picture(1))))[0] == picture(1)
    assert service.send(indexer.get_image(content_id(picture(1)))).uris == ["0.png"]
    full()
    service.send(indexer.delete_image(content_id(picture(1))))
    assert service.found(picture(1)) == [content_id(picture(2))]
    with pytest.raises(NotFound):
        service.send(indexer.get_image(content_id(picture(1))))
    service.add(picture(1))
    assert service.finds_itself(picture(1))


def test_another_deletion_after_a_refused_one_hides_the_right_image(service, picture, full):
    service.add(*(picture(n) for n in range(4)))
    full("catalogue.commit")
    with pytest.raises(StorageFull):
        service.send(indexer.delete_image(content_id(picture(0))))
    full()
    service.send(indexer.delete_image(content_id(picture(1))))
    left = {content_id(picture(n)) for n in (0, 2, 3)}
    assert set(service.found(picture(0))) == left
    assert service.send(indexer.get_stats()).images == 3


@pytest.mark.parametrize("step", ["delete.buried", "catalogue.commit"])
def test_a_sync_that_may_not_delete_deletes_nothing_and_the_next_one_does(
    service, folder_of, full, step
):
    root = folder_of({f"{n}.png": n for n in range(6)})
    service.ingest(root, clusters=2)
    (root / "0.png").unlink()
    full(f"{step}")
    if step == "catalogue.commit":
        # Not even the job can be queued.
        with pytest.raises(StorageFull):
            service.start_ingest(root, sync=True)
    else:
        assert "disk is full" in service.failed(service.start_ingest(root, sync=True))
    assert service.send(indexer.get_stats()).images == 6
    full()
    service.ingest(root, sync=True)
    assert service.send(indexer.get_stats()).images == 5


@pytest.mark.parametrize(
    "file", ["upload", "features", "sum", "segment-visual", "manifest", "current"]
)
def test_a_refused_addition_is_no_half_and_the_next_try_adds_it(service, picture, full, file):
    service.add(picture(1))
    snapshots = [s.number for s in service.send(indexer.list_snapshots()).snapshots]
    full(f"{file}.written")
    with pytest.raises(StorageFull):
        service.add(picture(2))
    assert [s.number for s in service.send(indexer.list_snapshots()).snapshots] == snapshots
    assert service.found(picture(2)) == [content_id(picture(1))]
    assert not list(service.data.rglob(".*.tmp"))
    full()
    service.add(picture(2))
    assert service.finds_itself(picture(2))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MiB."""
    at = tmp_path / "small"
    at.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", at], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield at
    subprocess.run(["umount", "--lazy", at], check=True)


def fill(ballast):
    """Writes until there's no more room, to the last byte."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass


def test_a_disk_that_really_is_full(small_disk, embedder, service_at, picture):
    data = small_disk / "data"
    embedder.mount(data)
    ballast = small_disk / "ballast"
    with service_at(data, embedder.url) as service:
        service.add(picture(0), picture(1))
        fill(ballast)
        with pytest.raises(StorageFull):
            service.add(*(picture(n) for n in range(2, 50)))
        assert service.finds_itself(picture(0))
        ballast.unlink()
        service.add(picture(99), tags=["late"])
        assert service.finds_itself(picture(99))
        service.send(indexer.patch_image(content_id(picture(0)), ImagePatch(tags=["kept"])))
        service.send(indexer.delete_image(content_id(picture(1))))
        assert service.tagged("kept") == {content_id(picture(0))}
    with service_at(data, embedder.url) as service:
        assert service.finds_itself(picture(99))
        assert content_id(picture(1)) not in service.found(picture(1))
