"""A hit tells the same whichever way found it; this table says what can't be told, and why."""

from dataclasses import dataclass

import pytest

from tests.query import every_way
from tests.query.every_way import FILMS, ORDINALS


@dataclass(frozen=True)
class Tells:
    """What the hits of a way tell.

    time: where a vector is compared with the frames of videos. probability: where it is calibrated,
    which that of a text or of several vectors isn't. contributions: how many, of searches by parts
    of which one at least is compared. text: of hits that were found by their words.
    """

    time: bool = True
    probability: bool = True
    contributions: int = 0
    text: bool = False
    unweighed: tuple[int, ...] = ()
    """Parts that are colours: no vector stands for them, so they add nothing to a score."""


TOLD = {
    "tag": Tells(),
    "meaning": Tells(),
    "text": Tells(time=False, probability=False, text=True),
    "text and meaning": Tells(text=True),
    "picture": Tells(),
    "id": Tells(),
    "vector": Tells(),
    "one part": Tells(contributions=1),
    "parts": Tells(contributions=2, probability=False),
    "picture and word": Tells(contributions=2, probability=False),
    "colour": Tells(time=False),
    "colours": Tells(time=False),
    "colour or thing": Tells(),
    "colour and tag": Tells(),
    "colour and meaning": Tells(),
    "colour and part": Tells(contributions=2, unweighed=(0,)),
    "colour and parts": Tells(contributions=3, probability=False, unweighed=(1,)),
    "without a colour": Tells(contributions=2, unweighed=(0,)),
    "by date": Tells(),
    "tag by date": Tells(),
    "in a folder": Tells(),
    "on the map": Tells(),
}


@pytest.mark.parametrize("way", every_way.WAYS)
def test_each_way_tells_of_a_hit_what_can_be_told(rich, way):
    tells, answer = (
        TOLD[way],
        rich.search(**every_way.asked(way), limit=60, with_vector=True, explain=True, facets=5),
    )
    hits = answer["hits"]
    assert hits
    films = [hit for hit in hits if ORDINALS[hit["id"]] in FILMS]
    assert films or not tells.time
    assert all((hit["time_s"] in (0.0, 2.5, 5.0)) is tells.time for hit in films)
    assert all(hit["time_s"] is None for hit in hits if hit not in films)
    for hit in hits:
        ordinal = ORDINALS[hit["id"]]
        # A text isn't calibrated; behind it come those of the meaning.
        assert (hit["probability"] is not None) is (tells.probability and not hit["text"])
        assert bool(hit["text"]) <= (tells.text and ordinal in every_way.SIGNS)
        if tells.contributions:
            assert len(hit["contributions"]) == tells.contributions
            assert sum(hit["contributions"]) == pytest.approx(hit["score"], abs=1e-6)
            assert [hit["contributions"][place] for place in tells.unweighed] == [
                0.0 for _ in tells.unweighed
            ]
        else:
            assert hit["contributions"] is None
        assert hit["score"] == pytest.approx(1 - hit["distance"], abs=1e-9)
        assert hit["metadata"] == {"year": 2000 + ordinal}
        assert hit["file"]["latitude"] == ordinal - 30
        if hit["explain"] is not None:
            assert hit["explain"]["exact_distance"] == hit["distance"]
    assert any(hit["text"] for hit in hits) is tells.text
    # Vectors of one answer are of one space, that of its model.
    dim = {"model-1": every_way.VISUAL, "network-1": every_way.JOINT}[answer["model"]]
    assert {len(hit["vector"]) for hit in hits} == {dim}
    if "sort" not in every_way.WAYS[way]:
        relevances = [hit["relevance"] for hit in hits]
        assert relevances == sorted(relevances, reverse=True)


def test_every_way_is_in_the_table():
    assert list(TOLD) == list(every_way.WAYS)


def test_a_video_stands_where_its_nearest_frame_is_beside_a_colour_too(rich):
    plain = {hit["id"]: hit for hit in rich.term("puppy", limit=60)["hits"]}
    colored = rich.term("red puppy", limit=60)["hits"]
    assert any(hit["time_s"] is not None for hit in colored)
    for hit in colored:
        for field in ("score", "distance", "time_s"):
            assert hit[field] == plain[hit["id"]][field]


def test_a_promise_of_a_tag_is_of_its_hits_in_their_order(rich):
    for term in ("dog", "few", "red dog"):
        for asked in (0.6, 0.9):
            answer = rich.term(term, guarantee=asked, limit=40)
            assert answer["guarantee"]["met"]
            missed = 1.0
            for hit in answer["hits"]:
                # As soon as the list is long enough it ends.
                assert 1 - missed < asked
                missed *= 1 - hit["probability"]
            assert 1 - missed >= asked


def test_what_cuts_off_hits_changes_no_count(rich):
    for way in ("tag", "id", "meaning", "colour", "colour and tag"):
        whole = rich.search(**every_way.asked(way), limit=60)
        least = sorted(hit["probability"] for hit in whole["hits"])[len(whole["hits"]) // 2]
        cut = rich.search(**every_way.asked(way), limit=60, min_probability=least)
        assert 0 < len(cut["hits"]) < len(whole["hits"])
        assert (cut["expected"], cut["present"]) == (whole["expected"], whole["present"])


def test_an_answer_with_texts_promises_nothing_and_is_confident_where_it_has_hits(rich):
    for way in ("text", "text and meaning"):
        plain = rich.search(**every_way.asked(way), limit=20)
        promised = rich.search(**every_way.asked(way), limit=20, guarantee=0.5)
        assert promised["guarantee"] == {"asked": 0.5, "met": False}
        assert promised["hits"] == plain["hits"]
        # One of the four is read less surely than not.
        assert plain["present"] == 1
        cut = rich.search(**every_way.asked(way), limit=20, score_threshold=1.5)
        assert [hit["id"] for hit in cut["hits"]] == [
            hit["id"] for hit in plain["hits"] if hit["text"]
        ]
        assert cut["cut_off"]["confident"] is True
    first = rich.search(**every_way.asked("text and meaning"), limit=2)
    assert first["metric"] == plain["metric"]
    assert rich.search(**every_way.asked("text"))["expected"] == {"matches": 4, "low": 3, "high": 4}


def test_a_filtered_colour_is_complete_where_all_that_pass_are_hits(rich):
    some = {"must": [{"key": "year", "lt": 2010}]}
    answer = rich.search(term="red puppy", filter=some, limit=50)
    assert len(answer["hits"]) == 10
    assert answer["complete"]
