"""Files whose pictures can't be read aren't read again, unless something changed."""

import os
from hashlib import sha256

import pytest
from sqlalchemy import update

from services.embedder.config import EmbedderSettings
from services.indexer.catalog import schema, unusable_files
from services.indexer.catalog.unusable_files import UnusableFile, UnusableFiles
from shared.core.errors import BadImage
from shared.media import decoders
from shared.objects.file import LocalFile, Stamp

COUNT = 40


@pytest.fixture
def source(folder_of, picture):
    broken = {f"{n}.png": picture(n)[:60] + bytes([n]) * 90 for n in range(COUNT)}
    return folder_of({**broken, "good.png": 99})


@pytest.fixture
def work(service, monkeypatch):
    """Syncs a source; gives how many files were read, embedded and failed."""
    read, embedded = [], []
    embedding = service.parts._intake._tools.embedding
    images, read_file = embedding.images, LocalFile.read

    def counted(files, *rest, **options):
        embedded.extend(files)
        return images(files, *rest, **options)

    def read_counted(file, most):
        # Not the files beside, which may tell of it.
        read.extend([file.path] if file.path.endswith(".png") else [])
        return read_file(file, most)

    monkeypatch.setattr(embedding, "images", counted)
    monkeypatch.setattr(LocalFile, "read", read_counted)

    def sync(source):
        read.clear()
        embedded.clear()
        job = service.ingest(source, sync=True, build=False)
        assert len(service.reasons(job)) == job.result["failed"]
        return len(read), len(embedded), job.result["failed"]

    return sync


def test_a_second_sync_reads_no_broken_file_and_fails_them_with_the_same_reasons(
    service, source, work
):
    assert work(source) == (COUNT + 1, COUNT + 1, COUNT)
    assert work(source) == (0, 0, COUNT)
    # One that was only touched, or has another name, is read, but not embedded.
    os.utime(source / "1.png", ns=(1, 1))
    (source / "2.png").rename(source / "moved.png")
    assert work(source) == (2, 0, COUNT)
    assert work(source) == (0, 0, COUNT)


def test_a_file_that_changed_is_tried_again(source, work, picture):
    work(source)
    (source / "3.png").write_bytes(picture(3))
    assert work(source) == (1, 1, COUNT - 1)
    (source / "4.png").write_bytes(b"broken in another way")
    assert work(source) == (1, 1, COUNT - 1)


def test_a_picture_that_has_features_is_none_of_them(service, folder_of, work, picture):
    root = folder_of({"broken.png": picture(0)[:60], "good.png": 99})
    assert work(root) == (2, 2, 1)
    good = sha256((root / "good.png").read_bytes()).hexdigest()
    # As a RAW file that can't be decoded, and is the second one of an image.
    with service.parts.database.write() as db:
        db.execute(update(schema.unusable_files).values(sha256=good))
    os.utime(root / "good.png", ns=(1, 1))
    assert work(root)[1:] == (0, 1)


def test_other_decoders_and_limits_try_again(source, work, monkeypatch, service):
    work(source)
    with monkeypatch.context() as patched:
        patched.setattr(decoders, "VERSION", decoders.VERSION + 1)
        assert work(source) == (COUNT, COUNT, COUNT)
        assert work(source) == (0, 0, COUNT)
    with monkeypatch.context() as patched:
        patched.setattr(EmbedderSettings, "decoder_bytes", 2**28)
        assert work(source) == (COUNT, COUNT, COUNT)


def test_what_another_time_may_read_is_not_remembered(source, work, service, monkeypatch):
    embedding = service.parts._intake._tools.embedding
    answer = embedding._answer

    def late(files, *rest):
        items = [{"index": n, "error": "late", "is_passing": True} for n in range(len(files))]
        raise BadImage("late", items=items)

    monkeypatch.setattr(embedding, "_answer", late)
    assert work(source) == (COUNT + 1, COUNT + 1, COUNT + 1)
    monkeypatch.setattr(embedding, "_answer", answer)
    assert work(source) == (COUNT + 1, COUNT + 1, COUNT)


def test_a_reason_is_that_of_a_reader_and_a_stamp_and_is_forgotten_in_time(database, monkeypatch):
    stamp = Stamp(5, 2**40, 2**63 + 1, 7)
    one, other = UnusableFiles(database, "one"), UnusableFiles(database, "other")
    one.put([UnusableFile("/a", stamp, "s", "broken"), UnusableFile("/b", None, "t", "bad")])
    known = one.at(["/a", "/b", "/c"])
    assert unusable_files.known_reason(known, "/a", stamp) == "broken"
    assert unusable_files.known_reason(known, "/a", stamp._replace(ctime_ns=8)) is None
    assert unusable_files.known_reason(known, "/c", stamp) is None
    assert one.by_content(["s", "t", "u"]) == {"s": "broken", "t": "bad"}
    assert other.at(["/a"]) == other.by_content(["s"]) == {}
    unknown = UnusableFiles(database, "")
    unknown.put([UnusableFile("/d", stamp, "v", "unknown")])
    assert unknown.at(["/d"]) == {}
    monkeypatch.setattr(unusable_files, "_KEPT_S", -1)
    one.put([UnusableFile("/e", stamp, "w", "new")])
    assert set(one.at(["/a", "/b", "/e"])) == {"/e"}
