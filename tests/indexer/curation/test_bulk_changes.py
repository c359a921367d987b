"""Many pictures and tags are changed at once, and back."""

import pytest

from shared.clients import curation, indexer
from shared.contracts.curation import BulkRequest
from shared.contracts.filters import Filter
from shared.contracts.indexer import ImagePatch
from shared.core.errors import NotFound
from tests.indexer.curation.records import listed, record


def bulk(service, **asked):
    return service.send(curation.change_images(BulkRequest(**asked)))


def test_tags_and_metadata_of_many_pictures_change_at_once_and_back(service, picture):
    ids = [item.id for item in service.add(*map(picture, range(3)), tags=["a", "b"])]
    service.send(indexer.patch_image(ids[0], ImagePatch(tags=["b"], metadata={"x": 1, "y": 2})))
    before = [record(service, image_id) for image_id in ids]
    answer = bulk(
        service,
        ids=[*ids, "unknown"],
        add_tags=["New", "b"],
        remove_tags=["A"],
        metadata={"x": None, "album": "trip"},
    )
    assert (answer.changed, answer.unknown, answer.failed) == (3, ["unknown"], [])
    for image_id in ids:
        assert record(service, image_id).tags == ["b", "New"]
    assert record(service, ids[0]).metadata == {"y": 2, "album": "trip"}
    assert service.tagged("new") == set(ids)
    undone = service.send(curation.undo_change(answer.undo))
    assert (undone.changed, undone.left) == (3, 0)
    assert [record(service, image_id) for image_id in ids] == before
    assert service.tagged("new") == set()
    with pytest.raises(NotFound, match="nothing to undo"):
        service.send(curation.undo_change(answer.undo))


def test_what_was_changed_since_stays_when_a_change_is_taken_back(service, picture):
    [item] = service.add(picture(0), tags=["a"])
    answer = bulk(service, ids=[item.id], add_tags=["wrong"])
    bulk(service, ids=[item.id], add_tags=["later"])
    service.send(curation.undo_change(answer.undo))
    assert record(service, item.id).tags == ["a", "later"]


def test_a_filter_names_the_pictures_of_a_change(service, picture):
    ids = [item.id for item in service.add(picture(0), picture(1), tags=["old"])]
    [other] = service.add(picture(2))
    wanted = Filter.model_validate({"must": [{"tag": "old"}]})
    assert bulk(service, filter=wanted, add_tags=["seen"]).changed == 2
    assert service.tagged("seen") == set(ids)
    assert bulk(service, filter=wanted, but=ids[:1], add_tags=["second"]).changed == 1
    assert service.tagged("second") == set(ids[1:])
    answer = bulk(service, filter=wanted, delete=True)
    assert answer.deleted == 2
    assert listed(service) == {other.id}
    undone = service.send(curation.undo_change(answer.undo))
    assert undone.restored == 2
    assert listed(service) == {*ids, other.id}
    assert service.tagged("seen") == set(ids)


def test_a_change_without_an_effect_has_nothing_to_undo(service, picture):
    [item] = service.add(picture(0), tags=["a"])
    answer = bulk(service, ids=[item.id], add_tags=["A"], remove_tags=["z"])
    assert (answer.changed, answer.undo) == (0, None)


def test_a_picture_that_cannot_hold_a_change_stays_and_is_told_of(service, picture):
    [full, other] = service.add(picture(0), picture(1))
    many = [f"t{n}" for n in range(1000)]
    service.send(indexer.patch_image(full.id, ImagePatch(tags=many)))
    answer = bulk(service, ids=[full.id, other.id], add_tags=["one more"])
    assert answer.changed == 1
    assert [one.id for one in answer.failed] == [full.id]
    assert "1,000" in answer.failed[0].error


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"ids": ["a"]},
        {"add_tags": ["x"]},
        {"ids": ["a"], "filter": {"must": [{"tag": "x"}]}, "delete": True},
        {"ids": ["a"], "delete": True, "add_tags": ["x"]},
        {"filter": {}, "delete": True},
        {"ids": ["a"], "but": ["b"], "delete": True},
        {"ids": [], "delete": True},
        {"ids": ["a"], "add_tags": ["x" * 201]},
        {"ids": ["a"], "metadata": {"file": {"width": 1}}},
        {"ids": ["a"], "colour": 1},
    ],
)
def test_a_change_that_cannot_be_meant_is_refused(service, asked):
    assert service.http.post("/v1/images/bulk", json=asked).status_code == 422


def test_an_edit_of_one_picture_is_taken_back_too(service, picture):
    [item] = service.add(picture(0), tags=["a", "b"])
    answer = service.send(indexer.patch_image(item.id, ImagePatch(tags=["c"])))
    service.send(curation.undo_change(answer.undo))
    assert record(service, item.id).tags == ["a", "b"]
    gone = service.send(indexer.delete_image(item.id))
    service.send(curation.undo_change(gone.undo))
    assert service.finds_itself(picture(0))


def test_a_tag_is_renamed_merged_and_back(service, picture):
    [first, second] = service.add(picture(0), picture(1), tags=["grand_piano"])
    [third] = service.add(picture(2), tags=["piano", "grand piano"])
    answer = service.send(curation.rename_tag("Grand Piano", "Piano"))
    assert (answer.changed, answer.merged) == (3, 1)
    assert service.tagged("piano", exact_term=True) == {first.id, second.id, third.id}
    assert service.tagged("grand piano", exact_term=True) == set()
    assert record(service, third.id).tags == ["piano"]
    service.send(curation.undo_change(answer.undo))
    assert record(service, first.id).tags == ["grand_piano"]
    assert record(service, third.id).tags == ["grand piano", "piano"]


def test_a_tag_is_spelt_anew(service, picture):
    [item] = service.add(picture(0), tags=["new york"])
    assert service.send(curation.rename_tag("new york", "New York")).changed == 1
    assert record(service, item.id).tags == ["New York"]
    again = service.send(curation.rename_tag("new york", "New York"))
    assert (again.changed, again.undo) == (0, None)
    with pytest.raises(NotFound, match="No image has the tag"):
        service.send(curation.rename_tag("nothing", "something"))
