"""Pictures: adding and reading. The real services, over HTTP."""

import io
import threading

import httpx
import pytest
from PIL import Image

from shared.clients import indexer, query
from shared.contracts.indexer import AddState
from shared.core.errors import InvalidInput, TooLarge
from shared.media.identity import content_id
from tests.indexer.running import until

ADDED, EXISTS, FAILED = AddState


def states(items) -> list[AddState]:
    return [item.state for item in items]


# --- adding -----------------------------------------------------------------------------------


def test_a_hundred_files_in_one_call_are_found_at_once(service, picture):
    pictures = [picture(seed) for seed in range(100)]
    items = service.add(*pictures)
    assert states(items) == [ADDED] * 100
    assert [item.id for item in items] == [content_id(data) for data in pictures]
    assert all(service.finds_itself(pictures[i]) for i in (0, 50, 99))
    assert len(set(service.found(pictures[0], limit=200))) == 100


def test_a_form_field_that_is_not_known_is_refused(service, picture):
    answer = service.http.post(
        "/v1/images", files={"files": ("a.png", picture(0))}, data={"tag": "cat"}
    )
    assert answer.status_code == 422
    assert "tag" in answer.json()["detail"]
    assert service.found(picture(0)) == []


def test_an_empty_collection_is_ready_and_answers_nothing(service, picture):
    assert service.http.get("/ready").status_code == 200
    assert service.found(picture(0)) == []


def test_one_bad_file_fails_alone_and_says_why(service, picture, huge_picture):
    good, cut = picture(1), picture(2)[:-200]
    items = service.add(
        ("a.png", good),
        ("empty.jpg", b""),
        ("text.jpg", b"hello"),
        ("cut.png", cut),
        ("huge.png", huge_picture),
        ("b.jpg", picture(3, "JPEG")),
    )
    assert states(items) == [ADDED, FAILED, FAILED, FAILED, FAILED, ADDED]
    assert [item.name for item in items][1:5] == ["empty.jpg", "text.jpg", "cut.png", "huge.png"]
    for item, says in zip(items[1:5], ["empty", "Not an image", "truncated", "30000"], strict=True):
        assert says in item.error
        assert item.id is None
    assert service.finds_itself(good)


def test_only_bad_files_are_no_error_of_the_call(service):
    assert states(service.add(b"", b"text")) == [FAILED, FAILED]
    assert service.send(indexer.get_stats()).images == 0


def test_the_same_picture_twice_is_one_image_under_both_names(service, picture):
    data = picture(0)
    first, second = service.add(("a.png", data), ("b.png", data), tags=["dog"])
    assert first.id == second.id
    assert states(service.add(("c.png", data), tags=["cat"])) == [EXISTS]
    image = service.send(indexer.get_image(first.id))
    assert image.uris == ["a.png", "b.png", "c.png"]
    assert image.tags == ["cat", "dog"]
    assert service.send(indexer.get_stats()).images == 1
    assert service.found(data) == [first.id]


def test_tags_and_metadata_are_for_all_files_and_searchable_at_once(service, picture):
    items = service.add(
        picture(0), picture(1), tags=["New York", " Dog ", "dog", ""], metadata='{"by": "Ann"}'
    )
    ids = {item.id for item in items}
    assert service.tagged("new york") == service.tagged("DOG") == ids
    [hit] = service.ask(query.search_term("dog", limit=1)).hits
    assert hit.tags == ["Dog", "New York"]
    assert hit.metadata == {"by": "Ann"}


def test_a_tag_is_one_however_pictures_spell_it_and_stays_as_it_was_written(service, picture):
    [first] = service.add(picture(0), tags=["car_side"])
    [second] = service.add(picture(1), tags=["Car Side", "Portland, Oregon"])
    [third] = service.add(picture(2), tags=["Car Side", "car-side", "grand_piano"])
    ids = {first.id, second.id, third.id}
    for term in ("car side", "CAR-SIDE", "car_side", "car sides", "carside"):
        assert service.tagged(term) == ids
    found = service.ask(query.list_tags(match="side")).tags
    assert [(one.tag, one.count) for one in found] == [("Car Side", 3)]
    assert service.send(indexer.get_image(first.id)).tags == ["car_side"]
    # The first spelling on an image holds, and a comma within a tag is part of it.
    assert service.send(indexer.get_image(third.id)).tags == ["Car Side", "grand_piano"]
    assert service.send(indexer.get_image(second.id)).tags == ["Car Side", "Portland, Oregon"]
    assert service.tagged("portland, oregon") == {second.id}
    assert service.tagged("Grand-Piano") == {third.id}


def test_tags_of_a_picture_that_exists_are_searchable_at_once(service, picture):
    [item] = service.add(picture(0))
    assert states(service.add(picture(0), tags=["dog"])) == [EXISTS]
    assert service.tagged("dog") == {item.id}


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"metadata": "{"}, "not JSON"),
        ({"metadata": "[1]"}, "must be a JSON object"),
        ({"metadata": '{"a": NaN}'}, "`metadata`: `a`: a number is finite"),
        ({"metadata": '{"a": 1e999}'}, "`metadata`: `a`: a number is finite"),
        ({"metadata": '{"a": "\\ud800"}'}, "half a character"),
        ({"metadata": '{"a":' * 9999 + "1" + "}" * 9999}, "nested deeper than 8 levels"),
        ({"tags": ["x" * 201]}, "at most 200"),
    ],
)
def test_what_cannot_be_said_of_pictures_is_refused_before_anything_is_kept(
    service, picture, said, says
):
    with pytest.raises(InvalidInput, match=says):
        service.add(picture(0), **said)
    assert service.send(indexer.get_stats()).images == 0


def test_a_file_over_the_limit_fails_alone(start, picture):
    with start(max_image_bytes=10_000) as service:
        items = service.add(picture(0), picture(1) + bytes(10_000))
        assert states(items) == [ADDED, FAILED]
        assert "ISE_MAX_IMAGE_BYTES" in items[1].error


def test_too_many_files_are_refused(start, picture):
    with start(max_upload_files=100) as service, pytest.raises(TooLarge, match="100 files"):
        service.add(*[b"x"] * 101)


def test_what_is_too_much_for_one_call_to_the_embedder_is_parted(start, picture, embedder_with):
    # So little that a file has no room beside the built-in picture either.
    with embedder_with(max_body_bytes=60_000) as embedder, start(embedder) as service:
        noisy = [picture(seed, "BMP", (120, 90)) for seed in range(8)]
        assert states(service.add(*noisy, picture(9, "BMP", (200, 150)))) == [ADDED] * 8 + [FAILED]


def test_unknown_forms_are_problems(service):
    for answer in (
        service.http.post("/v1/images"),
        service.http.post("/v1/images", data={"files": "no file"}),
        service.http.post("/v1/images", content=b"x", headers={"content-type": "text/plain"}),
    ):
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        ("../../x.jpg", "x.jpg"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\win.jpg", "win.jpg"),
        ("Größe 大.jpg", "Größe 大.jpg"),
        ("..", ".."),
    ],
)
def test_an_uploads_name_is_never_a_path(service, picture, tmp_path, name, uri):
    data = picture(0)
    before = {p for p in tmp_path.rglob("*") if service.data not in p.parents}
    [item] = service.add((name, data))
    assert service.send(indexer.get_image(item.id)).uris == [uri]
    assert service.send(indexer.get_image_file(item.id)) == (data, "image/png")
    assert {p for p in tmp_path.rglob("*") if service.data not in p.parents} == before
    assert not list(service.data.rglob(f"*{uri}"))


def test_uploads_at_once_are_all_kept(service, picture):
    pictures = [picture(seed) for seed in range(12)]
    found: list = []
    threads = [
        threading.Thread(target=lambda part=pictures[n::4]: found.extend(service.add(*part)))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states(found) == [ADDED] * 12
    assert all(service.finds_itself(data) for data in pictures)


def test_the_same_picture_uploaded_at_once_is_one_image(service, picture):
    threads = [threading.Thread(target=service.add, args=(picture(0),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert service.found(picture(0)) == [content_id(picture(0))]
    assert service.send(indexer.get_stats()).images == 1


def test_a_picture_deleted_while_it_is_added_again_is_added_whole(service, picture, monkeypatch):
    data = picture(0)
    [item] = service.add(data)
    keep = service.parts.files.keep

    def delete_first(image_id, name, content):
        monkeypatch.undo()
        service.send(indexer.delete_image(item.id))
        return keep(image_id, name, content)

    monkeypatch.setattr(service.parts.files, "keep", delete_first)
    service.add(data)
    assert service.finds_itself(data)
    assert service.send(indexer.get_image_file(item.id))[0] == data


def test_many_additions_leave_few_files_behind(service, picture):
    for seed in range(9):
        service.add(picture(seed), tags=[f"t{seed}"])
    assert all(service.finds_itself(picture(seed)) for seed in range(9))
    kept = {
        file.name
        for number in service.parts.index.snapshots.numbers()
        for file in service.parts.index.snapshots.read(number).files()
    }
    assert {path.name for path in (service.data / "segments").iterdir()} == kept
    assert len(service.parts.current.manifest().visual.postings) < 5


# --- reading ----------------------------------------------------------------------------------


def test_errors_are_problem_documents_of_one_kind(service):
    answer = service.http.get("/v1/images/nobody")
    assert answer.status_code == 404
    assert set(answer.json()) == {"type", "title", "status", "detail", "instance", "request_id"}
    assert isinstance(answer, httpx.Response)


def test_a_file_of_more_than_the_memory_of_a_call_is_sent_from_disk(start):
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((3000, 3000)).convert("RGB").save(buffer, "BMP")
    data, image_id = buffer.getvalue(), content_id(buffer.getvalue())
    with start() as service:
        service.add(data)
    with start(memory=64) as service:
        gates = service.app.state.gates
        assert len(data) > gates.memory.most_for(len(data))
        assert service.send(indexer.get_image_file(image_id)) == (data, "image/bmp")
        part = service.http.get(f"/v1/images/{image_id}/file", headers={"Range": "bytes=1-3"})
        assert (part.status_code, part.content) == (206, data[1:4])
        until(lambda: not gates.spool.taken)
