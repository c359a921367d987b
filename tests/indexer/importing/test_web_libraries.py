"""Pictures of immich and PhotoPrism come with what is known of them, once."""

import json
from contextlib import closing

import pytest

from shared.core.errors import InvalidInput, Unauthorized, Unavailable
from shared.importing.immich import Immich
from shared.importing.photoprism import PhotoPrism
from tests.indexer.importing.applications import KEY, immich, photoprism, running


def asset(asset_id, **said):
    return {
        "id": asset_id,
        "type": "IMAGE",
        "originalFileName": "IMG_1.png",
        "checksum": "c",
        "isFavorite": False,
        "isTrashed": False,
        "localDateTime": "2019-07-14T18:22:05.000Z",
        "exifInfo": {"latitude": None, "longitude": None, "description": ""},
        "people": [],
        **said,
    }


def photo(uid, **said):
    return {
        "UID": uid,
        "Type": "image",
        "TakenAtLocal": "2018-05-06T07:08:09Z",
        "TakenSrc": "meta",
        "Favorite": False,
        "Lat": 0,
        "Lng": 0,
        "Files": [{"Hash": f"h{uid}", "Name": "2018/a.png", "Primary": True}],
        "Labels": [],
        "Details": {},
        **said,
    }


@pytest.fixture
def pictures(picture):
    return [picture(seed) for seed in range(5)]


def test_pictures_of_immich_bring_tags_albums_people_dates_and_places(
    import_all, image, pictures
) -> None:
    with running(immich) as app:
        exif = {"latitude": 48.8584, "longitude": 2.2945, "description": "The tower"}
        app.assets = [
            asset("a", isFavorite=True, exifInfo=exif, people=[{"name": "Ada"}, {"name": ""}]),
            asset("b"),
            asset("c"),
            asset("film", type="VIDEO"),
            asset("gone", isTrashed=True),
        ]
        app.files = dict(zip("abc", pictures, strict=False))
        app.albums = {"Paris, 2019": ["a", "b"], "Empty": []}
        app.tags = {"tower": ["a"]}
        planned, outcome = import_all(Immich(app.url, KEY))
    assert len(planned.new) == 3
    assert (outcome.added, outcome.failed) == (3, [])
    first, second, third = (image(one) for one in pictures[:3])
    assert set(first.tags) == {"Paris, 2019", "tower", "Ada", "favourite"}
    assert second.tags == ["Paris, 2019"]
    assert third.tags == []
    assert first.metadata == {"imported_from": "immich", "description": "The tower"}
    assert first.file.taken_at == "2019-07-14T18:22:05"
    assert first.file.latitude == pytest.approx(48.8584, abs=1e-5)
    assert first.file.longitude == pytest.approx(2.2945, abs=1e-5)
    assert first.file.city == "Paris"


def test_an_import_takes_only_what_is_new_or_described_anew(import_all, image, pictures) -> None:
    with running(immich) as app:
        app.assets = [asset("a"), asset("b")]
        app.files = dict(zip("ab", pictures, strict=False))
        import_all(Immich(app.url, KEY))
        assert sorted(app.downloads) == ["a", "b"]
        planned, _ = import_all(Immich(f"{app.url}/api/", KEY))
        assert (len(planned.new), len(planned.changed), planned.done) == (0, 0, 2)
        app.albums = {"Later": ["b"]}
        app.assets.append(asset("c"))
        app.files["c"] = pictures[2]
        planned, outcome = import_all(Immich(app.url, KEY))
    assert (outcome.added, outcome.described) == (1, 1)
    assert image(pictures[1]).tags == ["Later"]
    assert {image(one).uris[0] for one in pictures[:2]} == {"IMG_1.png", "IMG_1 (1).png"}
    assert sorted(app.downloads) == ["a", "b", "c"]


def test_an_import_that_fails_in_the_middle_goes_on_there(import_all, pictures) -> None:
    with running(immich) as app:
        app.assets = [asset("a"), asset("b", isFavorite=True)]
        app.files = dict(zip("ab", pictures, strict=False))
        app.files.pop("b")
        _, outcome = import_all(Immich(app.url, KEY))
        assert outcome.added == 1
        assert [name for name, _ in outcome.failed] == ["IMG_1.png"]
        app.files["b"] = pictures[1]
        planned, outcome = import_all(Immich(app.url, KEY))
    assert (planned.done, outcome.added) == (1, 1)


@pytest.mark.parametrize("status", [302, 403, 500])
def test_a_file_that_an_application_fails_over_fails_alone(import_all, pictures, status) -> None:
    def route(held, method, path, query, body):
        if path == "/api/assets/b/original":
            return status, b"{}"
        return immich(held, method, path, query, body)

    with running(route) as app:
        app.assets = [asset("a"), asset("b"), asset("c")]
        app.files = dict(zip("abc", pictures, strict=False))
        _, outcome = import_all(Immich(app.url, KEY))
    assert (outcome.added, len(outcome.failed)) == (2, 1)


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"assets": None},
        {"assets": {"items": [{"type": "IMAGE"}]}},
        {"assets": {"items": ["IMAGE"]}},
        {"assets": {"items": [], "nextPage": "x"}},
        {"assets": {"items": [asset("a")], "nextPage": "1"}},
        {"assets": {"items": [asset("a", exifInfo="none")]}},
        {"assets": {"items": [asset("a", people=[1])]}},
    ],
)
def test_answers_of_another_form_are_told(answer) -> None:
    def route(held, method, path, query, body):
        if method == "POST":
            return 200, json.dumps(answer).encode()
        return immich(held, method, path, query, body)

    with (
        running(route) as app,
        closing(Immich(app.url, KEY)) as found,
        pytest.raises(Unavailable, match="answers otherwise than immich does"),
    ):
        list(found.assets())


@pytest.mark.parametrize(
    "answer", [{}, 1, [1], [{"Files": [{"Hash": "h"}]}], [photo("a", Files=1)]]
)
def test_answers_of_another_form_than_photoprisms_are_told(answer) -> None:
    def route(held, method, path, query, body):
        if path == "/api/v1/photos":
            first = query.get("offset", "0") == "0"
            return 200, json.dumps((answer or {"a": 1}) if first else []).encode()
        return photoprism(held, method, path, query, body)

    with (
        running(route) as app,
        closing(PhotoPrism(app.url, KEY)) as found,
        pytest.raises(Unavailable, match="answers otherwise than PhotoPrism does"),
    ):
        list(found.assets())


def test_photoprism_without_regard_to_the_page_asked_for_is_told() -> None:
    def route(held, method, path, query, body):
        return photoprism(held, method, path, query | {"offset": "0"}, body)

    with running(route) as app, closing(PhotoPrism(app.url, KEY)) as found:
        app.assets = [photo("a"), photo("b")]
        with pytest.raises(Unavailable, match="its pages come round again"):
            list(found.assets())


def test_what_is_no_picture_fails_alone(import_all, pictures) -> None:
    with running(immich) as app:
        app.assets = [asset("a"), asset("b"), asset("c")]
        app.files = {"a": pictures[0], "b": b"no picture", "c": pictures[1]}
        _, outcome = import_all(Immich(app.url, KEY))
    assert outcome.added == 2
    assert len(outcome.failed) == 1


def test_a_busy_application_is_asked_again(import_all, pictures) -> None:
    with running(immich) as app:
        app.assets, app.files, app.busy = [asset("a")], {"a": pictures[0]}, 2
        _, outcome = import_all(Immich(app.url, KEY))
    assert outcome.added == 1


@pytest.mark.parametrize(("library", "route"), [(Immich, immich), (PhotoPrism, photoprism)])
def test_a_wrong_key_is_told(library, route) -> None:
    with (
        running(route) as app,
        closing(library(app.url, "other")) as found,
        pytest.raises(Unauthorized, match="ISE_IMPORT_KEY"),
    ):
        list(found.assets())


@pytest.mark.slow
def test_no_application_at_an_address_is_told() -> None:
    with pytest.raises(InvalidInput, match="no address of immich"):
        Immich("ftp://photos.example", KEY)
    with (
        closing(Immich("http://127.0.0.1:9", KEY)) as found,
        pytest.raises(Unavailable, match="doesn't answer"),
    ):
        list(found.assets())


def test_pictures_of_photoprism_bring_albums_labels_and_keywords(
    import_all, image, pictures
) -> None:
    with running(photoprism) as app:
        label = {"Label": {"Name": "Cat"}, "Uncertainty": 10}
        guess = {"Label": {"Name": "Portrait"}, "Uncertainty": 70}
        words = {"Keywords": "balcony, evening", "KeywordsSrc": "manual"}
        app.assets = [
            photo(
                "p1",
                Favorite=True,
                Caption="On the balcony",
                Lat=48.8584,
                Lng=2.2945,
                Labels=[label, guess],
                Details=words,
            ),
            photo("p2", TakenSrc="estimate", Details={"Keywords": "png", "KeywordsSrc": ""}),
            photo("p3", Type="video"),
        ]
        app.files = {"hp1": pictures[0], "hp2": pictures[1]}
        app.albums = {"Home": ["p1"]}
        _, outcome = import_all(PhotoPrism(app.url, KEY))
    assert (outcome.added, outcome.failed) == (2, [])
    first, second = image(pictures[0]), image(pictures[1])
    assert set(first.tags) == {"Home", "Cat", "balcony", "evening", "favourite"}
    assert first.metadata["description"] == "On the balcony"
    assert first.file.taken_at == "2018-05-06T07:08:09"
    assert first.file.city == "Paris"
    assert second.tags == []
    assert second.file.taken_at is None
