"""Ingest: a folder or a manifest, as a job of the real services."""

import json
import os
from pathlib import Path

import pytest

from services.indexer.embedding.client import Embedding
from services.indexer.ingest import pipeline as ingest_module
from services.indexer.ingest.pipeline import IngestSettings
from shared.clients import indexer
from shared.contracts.indexer import BuildSettings, ImagePatch, IngestRequest, TrainMatchingRequest
from shared.contracts.jobs import JobState
from shared.core.errors import Forbidden, InvalidInput
from shared.media.identity import content_id
from shared.models import canary


def counts(job) -> dict[str, int]:
    return {k: job.result[k] for k in ("files", "embedded", "already_there", "failed")}


def many(count: int) -> dict[str, int]:
    return {f"tag{n % 3}/{n:03}.png": n for n in range(count)}


@pytest.fixture
def flushing_often(monkeypatch):
    monkeypatch.setattr(ingest_module, "_FLUSH_IMAGES", 1)


def test_a_folder_is_taken_in_clustered_and_searchable(service, folder_of, picture):
    job = service.ingest(folder_of(many(90)), clusters=7)
    assert counts(job) == {"files": 90, "embedded": 90, "already_there": 0, "failed": 0}
    assert (job.result["images"], job.result["clusters"]) == (90, 7)
    assert (job.progress.done, job.progress.total, job.progress.failed) == (90, 90, 0)
    assert all(service.finds_itself(picture(seed)) for seed in (0, 45, 89))
    assert len(service.tagged("TAG1")) == 30
    [newest, *_] = service.send(indexer.list_snapshots()).snapshots
    assert (newest.images, newest.clusters, newest.current) == (90, 7, True)


def test_broken_pictures_are_listed_with_their_reasons(service, folder_of, picture, huge_picture):
    bad = {
        "empty.png": b"",
        "dog/cut.png": picture(1)[:-150],
        "text.jpg": b"not a picture at all",
        "huge.png": huge_picture,
    }
    job = service.ingest(folder_of({"good.png": 7, "dog/twin.png": picture(1)[:-150], **bad}))
    reasons = service.reasons(job)
    assert set(reasons) == {*bad, "dog/twin.png"}
    assert "empty" in reasons["empty.png"]
    assert "truncated" in reasons["dog/cut.png"]
    assert "Not an image" in reasons["text.jpg"]
    assert "30000 x 30000" in reasons["huge.png"]
    assert counts(job) == {"files": 6, "embedded": 1, "already_there": 0, "failed": 5}
    assert (job.progress.done, job.progress.total, job.progress.failed) == (6, 6, 5)
    assert service.finds_itself(picture(7))


def test_files_that_cannot_be_read_are_listed_too(start, folder_of, picture):
    root = folder_of({"good.png": 1, "big.png": picture(2) + bytes(9999)})
    (root / "pipe.png").write_bytes(b"")
    lines = ["good.png", "big.png", "missing.png", "../source", "pipe"]
    os.mkfifo(root / "pipe")
    (root / "list.csv").write_text("\n".join(["path", *lines]))
    with start(max_image_bytes=9000) as service:
        job = service.ingest(root / "list.csv")
        reasons = service.reasons(job)
    assert set(reasons) == set(lines[1:])
    assert "ISE_MAX_IMAGE_BYTES" in reasons["big.png"]
    assert "No such file" in reasons["missing.png"]
    assert reasons["../source"] == reasons["pipe"] == "It is not a file."
    assert (job.progress.done, job.progress.failed) == (5, 4)


def test_names_that_are_not_utf8_are_taken_in_and_told_apart(service, folder_of, picture):
    root = folder_of({"good.png": 1})
    for seed, name in enumerate((b"caf\xe9", b"caf\xe8"), 2):
        folder = os.fsencode(root) + b"/" + name
        os.mkdir(folder)  # noqa: PTH102 - a Path can't say it
        with open(folder + b"/" + name + b".png", "wb") as file:  # noqa: PTH123
            file.write(picture(seed))
    job = service.ingest(root)
    assert service.reasons(job) == {}
    assert counts(job)["embedded"] == 3
    for seed, name in ((2, "caf%E9"), (3, "caf%E8")):
        image = service.send(indexer.get_image(content_id(picture(seed))))
        assert (image.uris, image.tags) == ([f"{name}/{name}.png"], [name])
        assert service.http.get(f"/v1/images/{image.id}/file").content == picture(seed)
        assert service.finds_itself(picture(seed))
    again = service.ingest(root, sync=True)
    assert (again.result["unchanged"], again.result["failed"]) == (3, 0)
    Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9/caf\xe9.png")).unlink()
    # Its folder is empty now, so that what was in it goes only if somebody says so.
    held = service.ingest(root, sync=True).result
    assert (held["delete"], held["held_back"][0]["folder"]) == (0, "caf%E9")
    assert service.ingest(root, sync=True, force=True).result["delete"] == 1


def test_a_source_without_pictures_fails_with_a_sentence_and_publishes_nothing(service, folder_of):
    root = folder_of({"notes.txt": b"x", ".hidden.png": 1})
    for build in (True, False):
        error = service.failed(service.start_ingest(root, build=build))
        assert error.startswith(f"There are no pictures in {root} (looked for .arw, ")
    (root / "list.csv").write_text("path\n")
    error = service.failed(service.start_ingest(root / "list.csv"))
    assert error == f"There are no pictures in {root / 'list.csv'} (the manifest names none)."
    assert len(service.send(indexer.list_snapshots()).snapshots) == 1


def test_a_folder_that_cannot_be_read_fails_alone(service, folder_of, picture, unreadable):
    root = folder_of({"cat/a.png": 1, "dog/b.png": 2, "x.txt": b"", f"{'x' * 201}/c.png": 3})
    unreadable(root / "cat")
    job = service.ingest(root)
    reasons = service.reasons(job)
    assert reasons.pop("cat") == "The folder can't be read: Permission denied."
    assert reasons == {}
    assert counts(job) == {"files": 3, "embedded": 2, "already_there": 0, "failed": 1}
    assert job.result["skipped"] == {"not_pictures": 1}
    assert "over 200 characters" in " ".join(job.result["tag_notes"])
    assert service.finds_itself(picture(2))


@pytest.mark.parametrize(("batch", "made"), [(0, [1] * 7), (2**26, [1, 3, 3])])
def test_a_batch_is_bounded_by_its_bytes(start, folder_of, picture, monkeypatch, batch, made):
    sizes = []
    embed = Embedding.images

    def noted(self, files, pair, bulk=False):
        if files != [canary.picture()]:
            sizes.append([len(data) for data in files])
        return embed(self, files, pair, bulk)

    monkeypatch.setattr(Embedding, "images", noted)
    monkeypatch.setattr(IngestSettings, "batch_bytes", batch)
    files = {f"{n}.bmp": picture(n, "BMP") for n in range(6)}
    files["large.bmp"] = picture(9, "BMP", (200, 150))
    limit = 3 * len(files["0.bmp"])
    with start(max_body_bytes=limit) as service:
        assert counts(service.ingest(folder_of(files), build=False))["failed"] == 0
    assert sorted(len(batch) for batch in sizes) == made


def test_tags_that_the_network_was_not_trained_on_are_counted(service, folder_of):
    def untrained(folder, **options):
        return service.ingest(folder, **options).result["untrained_tags"]

    first = folder_of({"dog/a.png": 1, "car/b.png": 2}, "first")
    # There is no network yet, and then one that knows all there is.
    assert untrained(first, build=False) is None
    assert untrained(first) == 0
    more = folder_of({"Cat/c.png": 3, "DOG/d.png": 4, "xqzzt/e.png": 5}, "more")
    assert untrained(more, tags_from="none") == 0
    assert untrained(more, build=False) == 2
    assert untrained(more) == service.build().result["untrained_tags"] == 2
    service.succeeded(service.send(indexer.train_matching(TrainMatchingRequest())))
    # Word2vec lacks one of them, so another training would teach nothing more.
    assert service.build().result["untrained_tags"] == 0
    for terms in (service.data / "networks").glob("*/terms.json"):
        terms.unlink()
    assert service.build().result["untrained_tags"] is None


def test_pictures_embedded_anew_count_beside_those_of_the_source(
    start, other_embedder, folder_of, picture
):
    former = folder_of({"a.png": 1, "b.png": 2}, "former")
    with start() as service:
        service.ingest(former)
    with start(other_embedder) as service:
        job = service.ingest(folder_of({"c.png": 3, "bad.png": b"bad"}))
        assert (job.progress.done, job.progress.total, job.progress.failed) == (4, 4, 1)
        assert counts(job) == {"files": 2, "embedded": 1, "already_there": 0, "failed": 1}
        assert set(service.reasons(job)) == {"bad.png"}


def test_a_second_ingest_embeds_nothing(service, folder_of):
    root = folder_of(many(12))
    service.ingest(root)
    before = sorted((service.data / "features").rglob("*.npy"))
    job = service.ingest(root)
    assert counts(job) == {"files": 12, "embedded": 0, "already_there": 12, "failed": 0}
    assert (job.progress.done, job.progress.total) == (12, 12)
    assert sorted((service.data / "features").rglob("*.npy")) == before


def test_the_same_picture_at_several_paths_is_one_image(service, folder_of, picture):
    root = folder_of({"dog/a.png": 1, "pet/b.png": 1, "c.png": 2})
    job = service.ingest(root, build=False)
    assert (counts(job)["embedded"], counts(job)["already_there"]) == (2, 1)
    image = service.send(indexer.get_image(content_id(picture(1))))
    assert (image.tags, image.uris) == (["dog", "pet"], ["dog/a.png", "pet/b.png"])
    assert service.tagged("dog") == service.tagged("pet") == {image.id}
    assert len(service.found(picture(1))) == 2


@pytest.mark.parametrize("build", [False, True])
def test_tags_that_a_second_ingest_brings_are_searchable(service, folder_of, picture, build):
    root = folder_of({"a.png": 1, "b.png": 2})
    service.ingest(root, build=False)
    (root / "list.csv").write_text("path,tags,by\na.png,dog,Ann\n")
    job = service.ingest(root / "list.csv", build=build)
    assert counts(job)["embedded"] == 0
    assert service.tagged("dog") == {content_id(picture(1))}
    assert service.send(indexer.get_image(content_id(picture(1)))).metadata == {"by": "Ann"}


def test_a_manifest_brings_tags_metadata_and_uris(service, folder_of, picture):
    root = folder_of({"pictures/a.png": 1, "pictures/b.png": 2})
    lines = [
        {"path": "pictures/a.png", "tags": "dog;New York", "title": "\u2028 Größe", "year": 1999},
        {"path": str(root / "pictures/b.png"), "tags": ["cat"]},
    ]
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    (root / "list.jsonl").write_text(text)
    service.ingest(root / "list.jsonl")
    first = service.send(indexer.get_image(content_id(picture(1))))
    assert first.metadata == {"title": "\u2028 Größe", "year": 1999}
    assert first.uris == ["pictures/a.png"]
    assert service.tagged("new york") == {first.id}
    [second] = service.tagged("cat")
    assert service.send(indexer.get_image(second)).uris[0].endswith("pictures/b.png")


def test_a_manifest_that_cannot_be_read_fails_the_job_and_a_row_only_itself(
    service, folder_of, picture
):
    root = folder_of({"a.png": 1})
    (root / "list.jsonl").write_text('{"path": "a.png"}\n{oops\n')
    job = service.ingest(root / "list.jsonl")
    assert set(service.reasons(job)) == {"list.jsonl, line 2"}
    assert service.finds_itself(picture(1))
    (root / "list.csv").write_text("file,tags\na.png,dog\n")
    assert "line 1" in service.failed(service.start_ingest(root / "list.csv"))
    assert "doesn't exist" in service.failed(service.start_ingest(root / "nowhere"))


def test_a_source_must_be_an_absolute_path(service):
    with pytest.raises(InvalidInput, match="absolute"):
        service.send(indexer.ingest(IngestRequest(source="pictures")))


def test_a_file_that_was_changed_becomes_another_image(service, folder_of, picture):
    root = folder_of({"a.png": 1, "b.png": 2})
    service.ingest(root, build=False)
    (root / "a.png").write_bytes(picture(3))
    job = service.ingest(root, build=False)
    assert (counts(job)["embedded"], counts(job)["already_there"]) == (1, 1)
    assert service.send(indexer.get_image(content_id(picture(3)))).uris == ["a.png"]
    assert service.send(indexer.get_image(content_id(picture(1)))).uris == []


def test_a_folder_whose_tags_teach_nothing_is_taken_in_all_the_same(service, folder_of):
    job = service.ingest(folder_of({"xqzzt/a.png": 1, "xqzzt/b.png": 2}))
    assert job.result["network"] is None
    assert "word vector" in job.result["not_trained"]
    assert len(service.tagged("xqzzt")) == 2


def test_a_cancelled_ingest_keeps_what_it_recorded_and_the_next_embeds_only_the_rest(
    start, folder_of, flushing_often, until
):
    root = folder_of(many(70))
    with start(embed_batch=2, embed_concurrency=1) as service:
        job = service.start_ingest(root)
        until(lambda: service.send(indexer.get_stats()).images >= 10)
        service.send(indexer.cancel_job(job.id))
        assert service.ended(job).state is JobState.CANCELLED
        kept = service.send(indexer.get_stats()).images
        assert 10 <= kept < 70
        again = service.ingest(root)
        assert counts(again)["embedded"] == 70 - kept
        assert counts(again)["already_there"] == kept
        assert again.result["images"] == 70


def test_an_upload_during_an_ingest_is_searchable_at_once_and_stays(
    start, folder_of, picture, flushing_often, until
):
    with start(embed_batch=2, embed_concurrency=1) as service:
        job = service.start_ingest(folder_of(many(50)))
        until(lambda: service.send(indexer.get_stats()).images >= 6)
        service.add(picture(1000), tags=["mine"])
        assert not service.send(indexer.get_job(job.id)).state.ended
        assert service.finds_itself(picture(1000))
        assert service.succeeded(job).result["images"] == 51
        assert service.finds_itself(picture(1000))
        assert service.tagged("mine") == {content_id(picture(1000))}


def test_a_picture_that_is_deleted_between_its_look_up_and_its_record_is_embedded_again(
    service, folder_of, picture, monkeypatch
):
    service.add(picture(1))
    record = ingest_module.Ingest._flush_known

    def slowly(self):
        if self._known:
            monkeypatch.setattr(ingest_module.Ingest, "_flush_known", record)
            service.send(indexer.delete_image(content_id(picture(1))))
        record(self)

    monkeypatch.setattr(ingest_module.Ingest, "_flush_known", slowly)
    job = service.ingest(folder_of({"a.png": 1, "b.png": 2}), build=False)
    assert (job.result["files"], job.result["embedded"], job.progress.done) == (2, 2, 2)
    assert service.finds_itself(picture(1))
    assert service.finds_itself(picture(2))


def test_uploads_deletes_and_retags_while_builds_run_are_all_kept(service, folder_of, picture):
    service.ingest(folder_of(many(60)))
    for n in range(3):
        job = service.send(indexer.build_index(BuildSettings(clusters=5)))
        [item, gone] = service.add(picture(200 + n), picture(300 + n), tags=["fresh"])
        service.send(indexer.patch_image(item.id, ImagePatch(tags=[f"new{n}"])))
        service.send(indexer.delete_image(gone.id))
        service.succeeded(job)
        assert service.finds_itself(picture(200 + n))
        assert service.tagged(f"new{n}") == {item.id}
        assert gone.id not in service.found(picture(300 + n), limit=200)
    assert service.tagged("fresh") == set()
    assert len(service.found(picture(0), limit=200)) == 63
    stats = service.send(indexer.get_stats())
    assert stats.images == 63


def test_off_loopback_only_the_roots_are_read(start, folder_of):
    inside, outside = folder_of({"a.png": 1}, "inside"), folder_of({"b.png": 2}, "outside")
    with start(host="0.0.0.0", allow_open=True, ingest_roots=[inside]) as service:  # noqa: S104
        with pytest.raises(Forbidden, match="ISE_INGEST_ROOTS"):
            service.start_ingest(outside)
        with pytest.raises(Forbidden):
            service.start_ingest(inside / ".." / "outside")
        answer = service.http.post("/v1/ingest", json={"source": str(outside)})
        assert answer.status_code == 403
        (inside / "list.csv").write_text("path\n../outside/b.png\n")
        [reason] = service.reasons(service.ingest(inside / "list.csv")).values()
        assert "ISE_INGEST_ROOTS" in reason
        (inside / "list.csv").unlink()
        assert counts(service.ingest(inside, build=False))["embedded"] == 1


def test_on_loopback_every_folder_is_read(service, folder_of):
    assert counts(service.ingest(folder_of({"a.png": 1}), build=False))["embedded"] == 1
