"""Trainings of the matching network, and what they bring to the index."""

import json

import pytest

from services.indexer.workflows.index_builder import IndexBuilder
from shared.clients import indexer, query
from shared.contracts.indexer import ImagePatch, TrainMatchingRequest
from shared.contracts.query import Metric
from shared.core.errors import FingerprintMismatch
from shared.files import sums
from shared.media.identity import content_id
from tests.floats import alike
from tests.indexer.training import OTHER, QUICK, broken_off, current, tagged_folder, train


def test_training_brings_search_by_meaning_and_no_files_stay_behind(service, folder_of):
    service.ingest(tagged_folder(folder_of), build=False)
    result = train(service).result
    assert result["report"]["terms"] == 2
    answer = service.ask(query.search_term("puppy"))
    assert answer.mode == "semantic"
    assert len(answer.hits) == 10
    assert len(service.tagged("dog")) == 12
    assert list((service.data / "training").iterdir()) == []
    assert (service.data / "networks" / "CURRENT").read_text() == result["network"]


def test_a_build_keeps_the_network_that_is_there(service, folder_of):
    root = tagged_folder(folder_of)
    service.ingest(root, build=False)
    network = train(service).result["network"]
    assert service.build().result["network"] == network
    assert service.ingest(root).result["network"] == network
    assert service.ask(query.search_term("puppy")).mode == "semantic"


def test_hits_by_meaning_tell_how_likely_they_match(service, folder_of):
    words = [
        "dog",
        "car",
        "tree",
        "house",
        "horse",
        "boat",
        "bird",
        "chair",
        "flower",
        "train",
        "cat",
        "bridge",
    ]
    service.ingest(folder_of({f"{words[n % 12]}/{n}.png": n for n in range(48)}), build=False)
    settings = QUICK.settings.model_copy(update={"holdout": 0.5})
    request = TrainMatchingRequest(settings=settings)
    report = service.succeeded(service.send(indexer.train_matching(request))).result["report"]
    told = [(one["untrained"], one["metric"]) for one in report["calibration"]]
    assert told == [(untrained, metric) for untrained in (False, True) for metric in Metric]

    def chances(metric):
        hits = service.ask(query.search_term("puppy", limit=48, metric=metric)).hits
        return [hit.probability for hit in hits]

    before = {metric: chances(metric) for metric in Metric}
    for one in report["calibration"]:
        found = before[one["metric"]]
        if not one["untrained"]:
            continue
        if one["brier"] < one["base_rate_brier"]:
            assert found == sorted(found, reverse=True)
            assert all(0 < chance < 1 for chance in found)
        else:
            # A probability that tells nothing is none.
            assert found == [None] * len(found)
    # A build keeps the network, and what its scores mean.
    service.build(clusters=3)
    assert {metric: chances(metric) for metric in Metric} == alike(before)
    of_tag = [hit.probability for hit in service.ask(query.search_term("dog")).hits]
    assert all(chance is None or 0 <= chance <= 1 for chance in of_tag)


def test_too_few_held_out_images_give_no_chance(service, folder_of):
    service.ingest(tagged_folder(folder_of), build=False)
    assert train(service).result["report"]["calibration"] == []
    assert {hit.probability for hit in service.ask(query.search_term("puppy")).hits} == {None}


def test_a_report_of_before_gives_no_chance(service, folder_of):
    service.ingest(tagged_folder(folder_of), build=False)
    network = train(service).result["network"]
    path = service.data / "networks" / network / "report.json"
    report = json.loads(path.read_text())
    for later in ("loss", "hard_negatives", "best_epoch", "calibration"):
        del report[later]
    path.write_text(json.dumps(report))
    # Those had no sum beside them.
    sums.path_of(path).unlink()
    assert service.build().result["network"] == network
    path.unlink()
    assert service.build().result["network"] == network


def test_images_and_tags_added_after_training_are_in_the_joint_space(service, folder_of, picture):
    service.ingest(tagged_folder(folder_of), build=False)
    train(service)
    [item] = service.add(picture(500), tags=["cat", "xqzzt"])
    assert service.tagged("cat") == service.tagged("xqzzt") == {item.id}
    hits = service.ask(query.search_term("puppy", limit=100)).hits
    assert len(hits) == 25


def test_training_without_tags_fails_with_a_sentence(service, picture):
    assert "because no image has a tag" in service.failed(
        service.send(indexer.train_matching(QUICK))
    )
    service.add(picture(0))
    assert "because no image has a tag" in service.failed(
        service.send(indexer.train_matching(QUICK))
    )
    service.add(picture(0), tags=["xqzzt"])
    assert "word vector" in service.failed(service.send(indexer.train_matching(QUICK)))
    assert list((service.data / "training").iterdir()) == []


def test_one_tagged_image_is_enough_to_train(service, picture):
    service.add(picture(0), tags=["dog"])
    train(service)
    assert service.tagged("dog") == {content_id(picture(0))}


def test_a_damaged_network_is_trained_anew_by_the_next_build(service, folder_of):
    service.ingest(tagged_folder(folder_of), build=False)
    networks = service.data / "networks"
    (networks / "match-0").mkdir(parents=True)
    (networks / "match-0" / "network.safetensors").write_bytes(b"broken")
    (networks / "CURRENT").write_text("match-0")
    assert service.build().result["report"] is not None
    assert len(service.tagged("dog")) == 12


def test_a_network_is_in_use_once_its_snapshot_is_published(service, folder_of, monkeypatch):
    def in_use() -> str:
        return (service.data / "networks" / "CURRENT").read_text()

    service.ingest(tagged_folder(folder_of), build=False)
    first = train(service).result["network"]
    before = current(service)
    with monkeypatch.context() as broken:
        broken.setattr(IndexBuilder, "rebuild_joint", broken_off)
        service.failed(service.send(indexer.train_matching(OTHER)))
        assert in_use() == first
    second = service.succeeded(service.send(indexer.train_matching(OTHER))).result["network"]
    assert in_use() == second != first
    service.send(indexer.activate_snapshot(before))
    assert in_use() == first
    assert service.build().result["network"] == first
    (service.data / "networks" / "CURRENT").write_text(second)
    assert service.build().result["network"] == in_use() == first


def test_other_words_refuse_pictures_before_anything_is_kept_and_a_training_is_the_way_out(
    start, embedder_of_other_words, folder_of, picture, monkeypatch
):
    more = folder_of({"x.png": 1000}, "more")
    with start(embedder_of_other_words) as service:
        service.ingest(tagged_folder(folder_of), build=False)
        network = train(service).result["network"]
    with start() as service:
        with pytest.raises(FingerprintMismatch, match="ise train-matching") as caught:
            service.add(picture(1000), tags=["new"])
        assert caught.value.extra["index"] == network
        assert caught.value.extra["embedder"].startswith("words-")
        assert network in service.failed(service.start_ingest(more, build=False))
        assert service.send(indexer.get_stats()).images == 24
        service.send(indexer.patch_image(content_id(picture(0)), ImagePatch(tags=["kitten"])))
        assert service.tagged("kitten") == {content_id(picture(0))}
        with monkeypatch.context() as broken:
            # It records a picture that can't be published with the network there is.
            broken.setattr(IndexBuilder, "build", broken_off)
            service.failed(service.start_ingest(more))
        assert train(service).result["network"] != network
        assert service.finds_itself(picture(1000))
        service.add(picture(1001), tags=["cat"])
        hits = service.ask(query.search_term("puppy", limit=100))
        assert (hits.mode, len(hits.hits)) == ("semantic", 26)
