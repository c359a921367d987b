"""Another model: nothing is mixed, nothing drops out unasked, and there is a way."""

import re

import pytest

from shared.clients import indexer, query
from shared.contracts.indexer import BuildSettings
from shared.core.errors import FingerprintMismatch
from tests.indexer.training import QUICK, current, tagged_folder, train


def test_another_model_is_never_mixed_in_and_a_build_brings_it(
    start, other_embedder, folder_of, picture
):
    root = tagged_folder(folder_of)
    with start() as service:
        service.ingest(root, build=False)
        former = service.parts.current.manifest().visual.fingerprint
        network = train(service).result["network"]
        before = current(service)
    with start(other_embedder) as service:
        with pytest.raises(FingerprintMismatch) as caught:
            service.add(picture(1000))
        hosted = caught.value.extra["embedder"]
        assert caught.value.extra["index"] == former != hosted
        assert former in caught.value.detail
        assert hosted in caught.value.detail
        assert "ise build" in caught.value.detail
        assert former in service.failed(service.start_ingest(root, build=False))
        assert "ise build" in service.failed(service.send(indexer.train_matching(QUICK)))
        built = service.build().result
        assert built["images"] == 24
        assert built["network"] not in (None, network)
        assert service.finds_itself(picture(0))
        assert service.ask(query.search_term("puppy")).mode == "semantic"
        service.add(picture(1000))
        assert service.parts.current.manifest().visual.fingerprint == hosted
    with start() as service:
        service.send(indexer.activate_snapshot(before))
        assert service.finds_itself(picture(0))
        assert service.parts.current.manifest().visual.fingerprint == former


def test_no_image_drops_out_of_search_without_being_asked_to(
    start, other_embedder, folder_of, picture
):
    root = tagged_folder(folder_of)
    with start() as service:
        service.ingest(root)
        before = current(service)
    (root / "dog" / "0.png").unlink()
    (root / "car" / "1.png").unlink()
    with start(other_embedder) as service:
        error = service.failed(service.send(indexer.build_index(BuildSettings())))
        assert re.match(r"2 images would be lost from search, such as (dog/0|car/1)\.png: ", error)
        assert error.endswith("`ise build --drop-missing`.")
        assert current(service) == before
        assert "2 images would be lost" in service.failed(service.start_ingest(root))
        (root / "dog" / "0.png").write_bytes(b"no picture any more")
        (root / "car" / "1.png").write_bytes(picture(1))
        assert "1 image would" in service.failed(service.send(indexer.build_index(BuildSettings())))
        built = service.build(drop_missing=True)
        assert (built.result["dropped"], built.result["images"]) == (1, 23)
        assert list(service.reasons(built)) == ["dog/0.png"]
        # It is out already, so a further build loses nothing.
        assert service.build().result["dropped"] == 0


def test_uploads_are_embedded_anew_from_a_data_folder_that_was_moved(
    start, other_embedder, picture, tmp_path
):
    with start() as service:
        service.add(picture(0), picture(1))
    service.data.rename(tmp_path / "moved")
    other_embedder.mount(tmp_path / "moved")
    with type(service)(tmp_path / "moved", other_embedder.url) as service:
        assert service.build().result["images"] == 2
        assert service.finds_itself(picture(0))


def test_no_image_drops_out_of_the_joint_space_without_being_asked_to(
    start, embedder_of_two, folder_of, other_embedder
):
    root = tagged_folder(folder_of)
    with start(other_embedder) as service:
        service.ingest(root)
    (root / "dog" / "0.png").unlink()
    # The visual model is the same; the matching one is another.
    with start(embedder_of_two) as service:
        for call in (indexer.build_index(BuildSettings()), indexer.train_matching(QUICK)):
            assert "1 image would be lost" in service.failed(service.send(call))
        assert service.build(drop_missing=True).result["images"] == 24
        train(service)


@pytest.mark.slow
def test_an_image_without_visual_features_is_in_no_joint_space(
    start, embedder_of_two, folder_of, picture
):
    def all_of(service) -> int:
        return len(service.ask(query.search_term("puppy", limit=100)).hits)

    root = tagged_folder(folder_of)
    with start() as service:
        service.ingest(root, build=False)
        train(service)
        former = current(service)
    (root / "dog" / "0.png").unlink()
    with start(embedder_of_two) as service:
        assert service.build(drop_missing=True).result["images"] == 23
        assert all_of(service) == 23
        train(service)
        assert all_of(service) == 23
        later = current(service)
    with start() as service:
        service.send(indexer.activate_snapshot(former))
        service.add(picture(1000))
        assert all_of(service) == 25
    with start(embedder_of_two) as service:
        service.send(indexer.activate_snapshot(later))
        assert all_of(service) == 23
        service.add(picture(0), picture(1000))
        assert all_of(service) == 25


def test_an_emptied_collection_takes_pictures_of_another_model(start, other_embedder, picture):
    with start() as service:
        [item] = service.add(picture(0))
        service.send(indexer.delete_image(item.id))
    with start(other_embedder) as service:
        service.add(picture(0), picture(1))
        assert service.finds_itself(picture(0))
        assert len(service.found(picture(0))) == 2
