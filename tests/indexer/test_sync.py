"""Sync: the collection follows a folder or a manifest, by the real services."""

import pytest

from shared.clients import indexer
from shared.identity import content_id

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
    assert job.result["images"] == service.send(indexer.stats()).images == 150
    assert done(sync(root)) == {}
    assert content_id(picture(0)) not in service.found(picture(0), limit=200)
    assert service.finds_itself(picture(1060))
    assert content_id(picture(60)) not in service.found(picture(60), limit=200)
    assert service.tagged("new") == {content_id(picture(2000 + n)) for n in range(50)}
    retagged = service.send(indexer.get_image(content_id(picture(50))))
    assert (retagged.tags, retagged.uris) == (["car"], ["car/050.png"])
