"""A picture is its bytes: a time, a size or a path proves nothing, and forbids nothing."""

import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from shared.clients import indexer, query
from shared.core.errors import NotFound
from shared.media.identity import content_id

FORGED = b"the keys of the house"


@pytest.fixture
def root(folder_of) -> Path:
    return folder_of({"dog/a.png": 1, "dog/b.png": 2, "c.png": 3})


def opened_up(root: Path):
    """Settings of an indexer that others reach, and that may read one folder."""
    return {"host": "0.0.0.0", "allow_open": True, "ingest_roots": [root]}  # noqa: S104


def forge(path: Path, data: bytes) -> None:
    """Gives a file other bytes and the time that it had."""
    stat = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def of_size(path: Path, beginning: bytes) -> bytes:
    return beginning.ljust(path.stat().st_size, b"!")


def file(service, data: bytes) -> bytes:
    return service.send(indexer.get_image_file(content_id(data)))[0]


def test_a_touched_picture_is_served_cut_and_explained(service, root, picture):
    service.ingest(root, build=False)
    for path in root.rglob("*.png"):
        os.utime(path)
        path.chmod(0o600)
    assert file(service, picture(1)) == picture(1)
    assert service.send(indexer.get_thumbnail(content_id(picture(1))))[1] == "image/jpeg"
    service.build()
    why = service.ask(query.explain_match(content_id(picture(1)), to=content_id(picture(2))))
    assert why.score is not None
    crop = {"x": 0.1, "y": 0.1, "width": 0.8, "height": 0.8}
    assert service.ask(query.search(parts=[{"id": content_id(picture(1)), "crop": crop}])).hits


def test_a_folder_that_was_copied_away_and_back_is_served(service, root, picture, tmp_path):
    service.ingest(root, build=False)
    shutil.copytree(root, tmp_path / "away", copy_function=shutil.copyfile)
    shutil.rmtree(root)
    with pytest.raises(NotFound, match="missing or has changed"):
        file(service, picture(1))
    shutil.copytree(tmp_path / "away", root, copy_function=shutil.copyfile)
    assert file(service, picture(1)) == picture(1)


def test_other_bytes_of_the_same_size_and_time_are_never_served(service, root, picture):
    service.ingest(root, build=False)
    assert file(service, picture(1)) == picture(1)
    for data in (FORGED, picture(9)):
        forge(root / "dog/a.png", of_size(root / "dog/a.png", data))
        for call in (indexer.get_image_file, indexer.get_thumbnail):
            with pytest.raises(NotFound, match="missing or has changed"):
                service.send(call(content_id(picture(1))))
    forge(root / "dog/a.png", picture(1))
    assert file(service, picture(1)) == picture(1)


@pytest.mark.parametrize("sync", [False, True])
def test_other_bytes_of_the_same_size_and_time_are_another_picture(
    service, root, picture, folder_of, sync
):
    """Nothing but the time of the change of the file's own entry tells them apart."""
    size = max(len(picture(n)) for n in (1, 8)) + 8
    first, second = (picture(n).ljust(size, b"\0") for n in (1, 8))
    (root / "dog/a.png").write_bytes(first)
    service.ingest(root, build=False, sync=sync)
    forge(root / "dog/a.png", second)
    job = service.ingest(root, build=False, sync=sync)
    assert job.result["embedded"] == 1
    assert file(service, second) == second
    again = service.ingest(root, build=False, sync=sync)
    assert again.result["embedded"] == 0


def test_one_of_two_places_is_enough(service, root, picture, folder_of):
    folder_of({"again.png": 1})
    service.ingest(root, build=False)
    (root / "again.png").write_bytes(FORGED)
    assert file(service, picture(1)) == picture(1)


def test_a_damaged_upload_is_not_passed_off_as_the_picture(service, picture):
    [item] = service.add(picture(5))
    [kept] = [p for p in (service.data / "images" / "uploads").rglob("*") if p.is_file()]
    kept.write_bytes(of_size(kept, FORGED))
    with pytest.raises(NotFound, match="missing or has changed"):
        service.send(indexer.get_image_file(item.id))


@pytest.mark.parametrize("sync", [False, True])
def test_a_tar_with_other_bytes_under_the_same_time_and_size_is_read_anew(
    service, picture, tmp_path, sync
):
    """Tars that are made to be alike, byte for byte, have times of zero."""
    size = max(len(picture(n)) for n in (1, 2)) + 8
    first, second = (picture(n).ljust(size, b"\0") for n in (1, 2))
    source = tmp_path / "p.tar"

    def pack(data: bytes) -> None:
        with tarfile.open(source, "w") as tar:
            for name, content in (("a.png", data), ("b.png", picture(3))):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))

    pack(first)
    service.ingest(source, build=False, sync=sync)
    assert service.ingest(source, build=False, sync=sync).result["embedded"] == 0
    pack(second)
    assert service.ingest(source, build=False, sync=sync).result["embedded"] == 1
    assert file(service, second) == second
    assert file(service, picture(3)) == picture(3)


# --- a moved library ----------------------------------------------------------------------------


def packed(root: Path, archive: Path) -> Path:
    with tarfile.open(archive, "w") as tar:
        tar.add(root, arcname=".")
    return archive


@pytest.mark.parametrize(
    ("is_archive", "sync"),
    [
        (False, False),
        pytest.param(False, True, marks=pytest.mark.slow),
        pytest.param(True, False, marks=pytest.mark.slow),
        (True, True),
    ],
)
def test_a_moved_library_is_found_again_without_embedding(
    service, root, picture, tmp_path, sync, is_archive
):
    source = packed(root, tmp_path / "old.tar") if is_archive else root
    moved = tmp_path / ("new.tar" if is_archive else "elsewhere")
    service.ingest(source, build=False, sync=sync)
    source.rename(moved)
    if is_archive:
        shutil.rmtree(root)
    job = service.ingest(moved, build=False, sync=sync)
    assert job.result["embedded"] == 0
    assert service.send(indexer.get_stats()).images == 3
    assert file(service, picture(1)) == picture(1)
    assert service.send(indexer.get_thumbnail(content_id(picture(2))))


def test_a_library_that_moved_into_an_archive_is_found_again(service, root, picture, tmp_path):
    service.ingest(root, build=False)
    moved = packed(root, tmp_path / "new.tar")
    shutil.rmtree(root)
    assert service.ingest(moved, build=False).result["embedded"] == 0
    assert file(service, picture(1)) == picture(1)


def test_a_new_model_embeds_the_picture_and_not_what_lies_at_its_former_path(
    start, root, picture, folder_of, other_embedder
):
    folder_of({"z/a.png": 1})
    with start() as service:
        service.ingest(root)
    (root / "dog/a.png").write_bytes(of_size(root / "dog/a.png", FORGED))
    with start(other_embedder) as service:
        service.build()
        assert service.finds_itself(picture(1))
        assert service.send(indexer.get_stats()).images == 3


# --- nothing outside the roots ------------------------------------------------------------------


def test_a_picture_replaced_by_a_link_to_a_file_outside_serves_nothing_of_it(
    start, root, picture, tmp_path
):
    outside = tmp_path / "outside"
    outside.mkdir()
    keys = outside / "keys"
    with start(**opened_up(root)) as service:
        service.ingest(root, build=False)
        path = root / "dog/a.png"
        stat = path.stat()
        keys.write_bytes(of_size(path, FORGED))
        os.utime(keys, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        path.unlink()
        path.symlink_to(keys)
        with pytest.raises(NotFound, match="outside the folders"):
            file(service, picture(1))
        # Not even where it is the picture: what is outside isn't read.
        keys.write_bytes(picture(1))
        for call in (indexer.get_image_file, indexer.get_thumbnail):
            with pytest.raises(NotFound, match="outside the folders"):
                service.send(call(content_id(picture(1))))
        # A link within the roots leads to the picture.
        shutil.move(keys, root / "kept")
        path.unlink()
        path.symlink_to(root / "kept")
        assert file(service, picture(1)) == picture(1)


def test_a_folder_replaced_by_a_link_serves_nothing_of_what_is_there(
    start, root, picture, tmp_path
):
    with start(**opened_up(root)) as service:
        service.ingest(root, build=False)
        (root / "dog").rename(tmp_path / "elsewhere")
        (root / "dog").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(NotFound, match="outside the folders"):
            file(service, picture(1))


def test_an_archive_replaced_by_a_link_serves_nothing_of_it(start, root, picture, tmp_path):
    roots = tmp_path / "roots"
    roots.mkdir()
    packed(root, roots / "p.tar")
    with start(**opened_up(roots)) as service:
        service.ingest(roots / "p.tar", build=False)
        assert file(service, picture(1)) == picture(1)
        (roots / "p.tar").rename(tmp_path / "p.tar")
        (roots / "p.tar").symlink_to(tmp_path / "p.tar")
        with pytest.raises(NotFound, match="outside the folders"):
            file(service, picture(1))


def test_without_roots_a_link_serves_the_picture_alone(service, root, picture, tmp_path):
    service.ingest(root, build=False)
    path = root / "dog/a.png"
    keys = tmp_path / "keys"
    stat = path.stat()
    keys.write_bytes(of_size(path, FORGED))
    os.utime(keys, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    path.unlink()
    path.symlink_to(keys)
    with pytest.raises(NotFound, match="missing or has changed"):
        file(service, picture(1))


def test_a_pipe_in_the_place_of_a_picture_holds_nobody_up(service, root, picture):
    service.ingest(root, build=False)
    (root / "dog/a.png").unlink()
    os.mkfifo(root / "dog/a.png")
    with pytest.raises(NotFound, match="missing or has changed"):
        file(service, picture(1))


def test_a_folder_that_is_no_longer_a_root_is_not_read(start, root, picture, tmp_path):
    with start() as service:
        service.ingest(root, build=False)
    (tmp_path / "other").mkdir()
    reading = opened_up(tmp_path / "other")
    with start(**reading) as service, pytest.raises(NotFound, match="ISE_INGEST_ROOTS"):
        file(service, picture(1))
