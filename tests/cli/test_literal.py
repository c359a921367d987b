"""What is typed can be meant as it is written, whatever a command makes of some characters."""

import pytest


@pytest.mark.parametrize("option", ["--term", "--exclude"])
def test_a_tag_with_a_caret_is_searched_as_it_is_written(fake, ise, option):
    fake.tags = ["m^2", "m^2^3 x", "m"]
    assert ise("search", "--id", "a", option, "m^2").code == 0
    weight = 1 if option == "--term" else -1
    assert {"term": "m^2", "weight": weight} in fake.asked[-1][1]["parts"]


def test_a_tag_with_a_caret_alone_is_searched_as_a_term(fake, ise):
    fake.tags = ["m^2"]
    assert ise("search", "--term", "m^2").code == 0
    assert fake.asked[0] == ("term", {"term": "m^2", "limit": "10", "offset": "0"})


@pytest.mark.parametrize("option", ["--id", "--exclude-id"])
def test_an_id_with_a_caret_is_searched_as_it_is_written(fake, ise, option):
    fake.ids = {"scan^2"}
    assert ise("search", "--term", "cat", option, "scan^2").code == 0
    weight = 1 if option == "--id" else -1
    assert {"id": "scan^2", "weight": weight} in fake.asked[-1][1]["parts"]


@pytest.mark.parametrize(
    ("typed", "term", "weight"),
    [
        ("m^2", "m", 2),
        (r"m\^2", "m^2", 1),
        (r"m\^2^0.5", "m^2", 0.5),
        ("m^2^0.5", "m^2", 0.5),
        ("M^2 ^3", "M^2 ", 3),
        ("a^b", "a^b", 1),
        ("^2", "^2", 1),
        (r"\^2", "^2", 1),
        ("x^", "x^", 1),
    ],
)
def test_a_weight_is_read_where_nothing_is_called_so_and_a_backslash_says_there_is_none(
    fake, ise, typed, term, weight
):
    fake.tags = ["m"]
    assert ise("search", "--id", "a", "--term", typed).code == 0
    assert {"term": term, "weight": weight} in fake.asked[-1][1]["parts"]


def test_a_tag_with_a_weight_behind_it_is_that_tag(fake, ise):
    fake.tags = ["m^2"]
    assert ise("search", "--id", "a", "--term", "m^2^3").code == 0
    assert {"term": "m^2", "weight": 3} in fake.asked[-1][1]["parts"]


def test_texts_without_a_caret_ask_for_no_tags(fake, ise, monkeypatch):
    monkeypatch.setattr("shared.cli.query_args.PartReader._is_tag", None)
    assert ise("search", "--term", "cat", "--exclude", "dog").code == 0


def test_add_takes_a_tag_with_a_comma_in_quotes(fake, ise, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"picture")
    assert ise("add", "a.jpg", "--tags", 'city, "Portland, Oregon"').code == 0
    assert fake.asked == [("add", (1, 'city,"Portland, Oregon"'))]


def test_the_help_tells_the_escape(ise):
    told = " ".join(ise("search", "--help").out.split())
    assert r"`m\^2`" in told
