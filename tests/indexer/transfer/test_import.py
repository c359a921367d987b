"""Vectors are imported from files, which are not believed."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from shared.clients import indexer, query
from shared.core import errors
from shared.media.identity import content_id
from tests.indexer.transfer.exporting import (
    exported,
    fill,
    imported,
    lines,
    said,
    start_import,
    table,
)


@pytest.mark.slow
def test_a_table_is_imported_by_its_path(alone, tmp_path):
    """In more than one batch; rows that can't be used are told of and don't fail the others."""
    source, vectors = table(tmp_path)
    vectors[17_000] = np.nan
    vectors[3] = 0
    np.save(source, vectors)
    ids = [f"i{n}" for n in range(len(vectors))]
    ids[19_000] = "i1"
    ids[5] = "i4"
    (tmp_path / "ids.txt").write_text("\n".join(ids))
    job = alone.succeeded(
        start_import(alone, source, ids=str(tmp_path / "ids.txt"), model="m", clusters=20)
    )
    assert job.result["added"] == alone.parts.images.count() == 20_000 - 4
    reasons = alone.reasons(job)
    assert set(reasons) == {"i17000", "i3", "i1", "i4"}
    assert "not finite" in reasons["i17000"]
    assert "is zero" in reasons["i3"]
    assert "differs from the stored one" in reasons["i1"]
    assert "occurs twice" in reasons["i4"]
    answer = alone.ask(query.search_vector(vectors[9000].tolist(), limit=1))
    assert (answer.hits[0].id, answer.recall.clusters) == ("i9000", 20)


def test_rows_without_ids_go_by_their_numbers(alone, tmp_path):
    source, vectors = table(tmp_path, rows=30)
    np.save(source, vectors.astype(np.float64))
    assert imported(alone, source, model="m", build=False)["snapshot"] == 2
    assert alone.ask(query.search_vector(vectors[29].tolist(), limit=1)).hits[0].id == "29"


@pytest.mark.slow
def test_an_import_that_was_cancelled_goes_on_where_it_was(alone, tmp_path, until):
    source, _ = table(tmp_path, rows=60_000)
    job = start_import(alone, source, model="m")
    until(lambda: alone.send(indexer.get_job(job.id)).progress.done)
    alone.send(indexer.cancel_job(job.id))
    alone.ended(job)
    before = alone.parts.images.count()
    assert before > 0
    result = imported(alone, source, model="m")
    assert (result["already_there"], result["images"]) == (before, 60_000)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda f: (f / "features.npy").write_bytes(b"x"), "is not a .npy file"),
        (lambda f: (f / "features.npy").unlink(), "can't be read: No such file"),
        (lambda f: (f / "export.json").write_text("{}"), "export.json is not one of this version"),
        (lambda f: said(f, fingerprint="../../x"), "which is no fingerprint"),
        (lambda f: said(f, fingerprint="external:a/b-12"), "which is no fingerprint"),
        (lambda f: said(f, images=9), "export.json says 9 of 12"),
        (lambda f: said(f, dim=9), "export.json says 10 of 9"),
        (lambda f: said(f, space="joint"), "export of the joint space"),
        (lambda f: said(f, format=2), "export.json is not one of this version"),
    ],
)
def test_an_export_that_is_not_whole_is_refused_at_once(alone, second, tmp_path, change, why):
    fill(alone, rows=10)
    folder = exported(alone, tmp_path / "out")
    change(folder)
    with second() as other:
        with pytest.raises(errors.InvalidInput) as refusal:
            start_import(other, folder)
        assert why in refusal.value.detail
        assert other.parts.images.count() == 0


def test_records_that_are_cut_short_fail_the_job(alone, second, tmp_path):
    fill(alone, rows=10)
    folder = exported(alone, tmp_path / "out")
    path = folder / "records.jsonl"
    path.write_text("\n".join(lines(path)[:9]) + "\n")
    with second() as other:
        assert "10 vectors, but only 9 ids" in other.failed(start_import(other, folder))
        assert other.parts.images.count() == 0


def test_off_loopback_only_the_roots_are_read(alone, second, tmp_path):
    fill(alone, rows=10)
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    folder = exported(alone, allowed / "out")
    outside, _ = table(tmp_path, rows=3)
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    stat = secret.stat()
    file = {"path": str(secret), "uri": "s", "mtime_ns": stat.st_mtime_ns, "bytes": stat.st_size}
    records = [json.loads(line) for line in lines(folder / "records.jsonl")]
    records[0]["files"] = [file]
    (folder / "records.jsonl").write_text("\n".join(map(json.dumps, records)))
    linked = shutil.copytree(folder, allowed / "linked")
    (linked / "features.npy").unlink()
    (linked / "features.npy").symlink_to(outside)
    with second(host="0.0.0.0", allow_open=True, ingest_roots=[allowed]) as other:  # noqa: S104
        for source, options in (
            (outside, {"model": "m"}),
            (folder / "features.npy", {"model": "m", "ids": str(secret)}),
            (linked, {}),
        ):
            with pytest.raises(errors.Forbidden, match="ISE_INGEST_ROOTS"):
                start_import(other, source, **options)
        imported(other, folder)
        with pytest.raises(errors.NotFound, match="imported as a vector"):
            other.send(indexer.get_image_file("p/0"))
    for path, why in (("f.npy", "absolute path"), (str(tmp_path / "none"), "doesn't exist")):
        with pytest.raises(errors.InvalidInput, match=why):
            start_import(alone, Path(path), model="m")
    with pytest.raises(errors.InvalidInput, match="`model`"):
        start_import(alone, outside)


def test_what_an_import_says_of_files_is_not_believed(
    service, second, embedder, picture, folder_of, tmp_path
):
    """Its records name any path, and give the time and size that the file there has."""
    source = folder_of({"dog/a.png": 1, "dog/b.png": 2})
    service.ingest(source)
    folder = exported(service, tmp_path / "out")
    other_picture = source / "other.png"
    other_picture.write_bytes(picture(7))
    stat = other_picture.stat()
    place = {"path": str(other_picture), "uri": "other.png", "mtime_ns": stat.st_mtime_ns}
    records = [json.loads(line) for line in lines(folder / "records.jsonl")]
    for record in records:
        record["files"] = [{**place, "bytes": stat.st_size}]
    (folder / "records.jsonl").write_text("\n".join(map(json.dumps, records)))
    embedder.mount(tmp_path / "second")
    with second(embedder.url) as other:
        imported(other, folder)
        for record in records:
            with pytest.raises(errors.NotFound):
                other.send(indexer.get_image_file(record["id"]))
        # Nor is the file passed over as one that was read.
        assert other.ingest(source, build=False).result["embedded"] == 1
        assert other.finds_itself(picture(7))
        for n in (1, 2):
            assert other.send(indexer.get_image_file(content_id(picture(n))))[0] == picture(n)


def test_an_import_stays_out_of_a_collection_of_another_model(service, second, picture, tmp_path):
    service.add(picture())
    pictures = exported(service, tmp_path / "pictures")
    hosted = json.loads((pictures / "export.json").read_text())["fingerprint"]
    source, _ = table(tmp_path, rows=3)
    with pytest.raises(errors.FingerprintMismatch, match=rf"{hosted}.*external:m-4"):
        start_import(service, source, model="m")
    with second() as other:
        imported(other, source, model="m")
        with pytest.raises(errors.FingerprintMismatch, match=rf"external:m-4.*{hosted}"):
            start_import(other, pictures)
        assert other.parts.images.count() == 3
