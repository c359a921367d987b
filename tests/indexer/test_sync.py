"""Sync: the collection follows a folder or a manifest, by the real services."""

import pytest

from shared.clients import indexer
from shared.contracts.indexer import ImagePatch
from shared.contracts.sync import SyncPlan
from shared.media.identity import content_id

ACTIONS = ("add", "change", "move", "copy", "retag", "delete")


def done(job) -> dict[str, int]:
    """What a sync did, without what it didn't do."""
    return {action: job.result[action] for action in ACTIONS if job.result[action]}


@pytest.fixture
def sync(service):
    return lambda source, **options: service.ingest(source, sync=True, **options)


def test_a_sync_embeds_what_is_new_and_nothing_else(service, sync, folder_of, picture):
    """The same as the slow test of 2,500 photos does, with fewer."""
    root = folder_of({f"{['dog', 'car'][n % 2]}/{n:03}.png": n for n in range(120)})
    sync(root)
    for n in range(0, 20):
        (root / f"{['dog', 'car'][n % 2]}/{n:03}.png").unlink()
    for n in range(20, 50):
        folder = ["dog", "car"][n % 2]
        (root / f"{folder}/{n:03}.png").rename(root / f"{folder}/moved{n}.png")
    for n in range(50, 60):
        name = f"{n:03}.png"
        (root / ["dog", "car"][n % 2] / name).rename(root / ["car", "dog"][n % 2] / name)
    folder_of({f"{['dog', 'car'][n % 2]}/{n:03}.png": 1000 + n for n in range(60, 65)})
    folder_of({f"new/{n:03}.png": 2000 + n for n in range(50)})
    job = sync(root)
    assert done(job) == {"add": 50, "change": 5, "move": 30, "retag": 10, "delete": 20}
    assert (job.result["embedded"], job.result["unchanged"]) == (55, 55)
    assert job.result["images"] == service.send(indexer.get_stats()).images == 150
    assert done(sync(root)) == {}
    assert content_id(picture(0)) not in service.found(picture(0), limit=200)
    assert service.finds_itself(picture(1060))
    assert content_id(picture(60)) not in service.found(picture(60), limit=200)
    assert service.tagged("new") == {content_id(picture(2000 + n)) for n in range(50)}
    retagged = service.send(indexer.get_image(content_id(picture(50))))
    assert (retagged.tags, retagged.uris) == (["car"], ["car/050.png"])


def test_the_first_sync_builds_and_a_later_one_adds_to_what_is_there(sync, folder_of):
    root = folder_of({f"{n}.png": n for n in range(20)})
    assert sync(root, clusters=4).result["clusters"] == 4
    folder_of({"new.png": 99})
    result = sync(root, clusters=5).result
    assert (result["images"], "clusters" in result) == (21, False)


def test_a_dry_run_is_a_job_whose_result_has_the_plan(service, sync, folder_of):
    root = folder_of({"dog/a.png": 1, "b.png": 2})
    job = sync(root, dry_run=True)
    plan = SyncPlan.model_validate(job.result["plan"])
    assert [(step.action, step.uri) for step in plan.steps] == [
        ("add", "b.png"),
        ("add", "dog/a.png"),
    ]
    assert (plan.embed, service.send(indexer.get_stats()).images) == (2, 0)


@pytest.mark.parametrize(
    ("option", "value"), [("dry_run", True), ("force", True), ("force_in", ["dog"])]
)
def test_options_of_a_sync_are_refused_without_it(service, tmp_path, option, value):
    answer = service.http.post("/v1/ingest", json={"source": str(tmp_path), option: value})
    assert answer.status_code == 422
    assert "belong to a sync" in answer.text


def test_a_disk_that_is_not_mounted_deletes_nothing(service, sync, folder_of, picture):
    root = folder_of({"a.png": 1, "b.png": 2})
    sync(root)
    root.rename(root.with_name("unmounted"))
    assert "doesn't exist" in service.failed(service.start_ingest(root, sync=True))
    root.mkdir()
    assert "disk is mounted" in service.failed(service.start_ingest(root, sync=True))
    assert service.finds_itself(picture(1))
    assert done(sync(root, force=True)) == {"delete": 2}
    assert service.found(picture(1)) == []


def test_a_sub_folder_that_is_not_mounted_keeps_its_pictures_and_what_was_said_of_them(
    service, sync, folder_of, picture
):
    root = folder_of(
        {f"{folder}/{n}.png": 10 * n + i for i, folder in enumerate("abc") for n in range(3)}
    )
    sync(root)
    said = ImagePatch(tags=["a", "Rex"], metadata={"note": "in the garden"})
    service.send(indexer.patch_image(content_id(picture(0)), said))
    (root / "a").rename(root.parent / "unmounted")
    (root / "a").mkdir()
    job = sync(root)
    assert (done(job), job.result["held_back"]) == (
        {},
        [{"folder": "a", "files": 3, "reason": "The folder has lost all of its pictures."}],
    )
    assert service.tagged("Rex") == {content_id(picture(0))}
    assert done(sync(root, force_in=["a"])) == {"delete": 3}
    assert service.found(picture(0))[0] != content_id(picture(0))
    (root / "a").rmdir()
    (root.parent / "unmounted").rename(root / "a")
    assert done(sync(root)) == {"add": 3}
    assert service.tagged("Rex") == {content_id(picture(0))}
    image = service.send(indexer.get_image(content_id(picture(0))))
    assert image.metadata == {"note": "in the garden"}


def test_a_deleted_picture_stays_deleted(service, sync, folder_of, picture):
    root = folder_of({"a.png": 1, "b.png": 2})
    sync(root)
    service.send(indexer.delete_image(content_id(picture(1))))
    assert sync(root).result["dismissed"] == 1
    assert service.found(picture(1)) == [content_id(picture(2))]
    service.ingest(root, build=False)
    assert service.finds_itself(picture(1))


def test_what_only_moved_needs_no_embedder(start, folder_of, picture, tmp_path):
    root = folder_of({"dog/a.png": 1, "b.png": 2, "c.png": 3})
    with start() as service:
        service.ingest(root, sync=True, build=False)
        alone = type(service)(tmp_path / "data", "http://127.0.0.1:9", embed_attempts=1)
    (root / "dog/a.png").rename(root / "moved.png")
    (root / "b.png").unlink()
    with alone as service:
        assert done(service.ingest(root, sync=True)) == {"retag": 1, "delete": 1}
        image = service.send(indexer.get_image(content_id(picture(1))))
        assert (image.uris, image.tags) == (["moved.png"], [])


def test_uploads_while_a_sync_deletes_the_same_pictures_are_kept(service, sync, folder_of, picture):
    root = folder_of({f"{n}.png": n for n in range(30)})
    sync(root)
    for path in root.iterdir():
        path.unlink()
    job = service.start_ingest(root, sync=True, force=True)
    for n in range(30):
        service.add(picture(n))
    service.succeeded(job)
    assert service.send(indexer.get_stats()).images == 30
    assert all(service.finds_itself(picture(n)) for n in (0, 13, 29))
