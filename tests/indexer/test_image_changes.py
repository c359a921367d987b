"""Pictures: retagging and deleting. The real services, over HTTP."""

import json

import pytest

from shared.clients import curation, indexer, query
from shared.contracts.indexer import AddState, ImagePatch
from shared.core.errors import NotFound
from shared.media.identity import content_id

ADDED = AddState.ADDED


def states(items) -> list[AddState]:
    return [item.state for item in items]


def test_new_tags_are_seen_in_the_next_search(service, picture):
    first, second = service.add(picture(0), picture(1), tags=["dog"])
    service.send(indexer.patch_image(first.id, ImagePatch(tags=["Katze", "  dog_house "])))
    assert service.tagged("dog") == {second.id}
    assert service.tagged("katze") == service.tagged("dog_house") == {first.id}
    service.send(indexer.patch_image(first.id, ImagePatch(tags=[])))
    assert service.tagged("katze") == set()
    assert service.finds_itself(picture(0))


def test_what_a_patch_does_not_name_stays(service, picture):
    [item] = service.add(picture(0), tags=["dog"], metadata='{"a": 1}')
    service.send(indexer.patch_image(item.id, ImagePatch(metadata={"b": [2]})))
    image = service.send(indexer.get_image(item.id))
    assert (image.tags, image.metadata) == (["dog"], {"b": [2]})
    service.send(indexer.patch_image(item.id, ImagePatch(tags=["cat"])))
    [hit] = service.ask(query.search_term("cat")).hits
    assert hit.metadata == {"b": [2]}


@pytest.mark.parametrize(
    "body",
    [
        {"tag": ["x"]},
        {"tags": "dog"},
        {"tags": ["x" * 201]},
        {"metadata": {"a": float("nan")}},
        {"metadata": {"a": "\ud800"}},
    ],
)
def test_a_patch_that_cannot_be_kept_is_refused(service, picture, body):
    [item] = service.add(picture(0), tags=["dog"])
    answer = service.http.patch(f"/v1/images/{item.id}", content=json.dumps(body))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert service.tagged("dog") == {item.id}


def test_a_deleted_image_is_in_no_answer(service, picture):
    first, second = service.add(picture(0), picture(1), tags=["dog"])
    service.send(indexer.get_thumbnail(first.id))
    assert service.send(indexer.delete_image(first.id)).deleted
    assert service.found(picture(0)) == [second.id]
    assert service.tagged("dog") == {second.id}
    for call in (
        indexer.get_image,
        indexer.get_image_file,
        indexer.get_thumbnail,
        indexer.delete_image,
    ):
        with pytest.raises(NotFound):
            service.send(call(first.id))
    with pytest.raises(NotFound):
        service.ask(query.search_id(first.id))
    service.send(curation.empty_trash())
    assert len([p for p in (service.data / "images").rglob("*") if p.is_file()]) == 1


def test_a_deleted_image_can_be_added_again(service, picture):
    [item] = service.add(picture(0), tags=["dog"])
    service.add(picture(1))
    for _ in range(2):
        service.send(indexer.delete_image(item.id))
        assert states(service.add(picture(0), tags=["cat"])) == [ADDED]
    assert service.finds_itself(picture(0))
    assert service.tagged("dog") == set()
    assert service.tagged("cat") == {item.id}
    assert len(service.found(picture(0))) == 2


def test_a_collection_that_was_emptied_takes_pictures_again(service, picture):
    for _ in range(2):
        ids = [item.id for item in service.add(picture(0), picture(1))]
        for image_id in ids:
            service.send(indexer.delete_image(image_id))
        assert service.found(picture(0)) == []
    service.add(picture(2))
    assert service.found(picture(2)) == [content_id(picture(2))]


def test_an_ingested_file_is_not_touched_by_a_delete_and_another_ingest_brings_it_back(
    service, folder_of
):
    root = folder_of({"dog/a.png": 1})
    service.ingest(root, build=False)
    [image_id] = service.tagged("dog")
    service.send(indexer.delete_image(image_id))
    assert (root / "dog/a.png").exists()
    assert service.tagged("dog") == set()
    service.ingest(root, build=False)
    assert service.tagged("dog") == {image_id}
