"""`ise tags`, and what `ise search` says of a term that is no tag."""

import pytest


def test_tags_are_listed_with_their_images(fake, ise):
    rows = [line.split() for line in ise("tags").out.splitlines() if line.strip()]
    assert rows[0] == ["tag", "images"]
    assert rows[-2:] == [["dog", "9"], ["cat", "8"]]
    rows = [line.split() for line in ise("tags", "--sort", "name").out.splitlines()]
    assert rows[-2:] == [["cat", "8"], ["dog", "9"]]


def test_tags_are_matched_by_any_word(fake, ise):
    fake.tags = ["grand_piano", "pianist", "castle"]
    told = ise("tags", "pia", "--json").json
    assert [one["tag"] for one in told["tags"]] == ["grand_piano", "pianist"]
    assert ise("tags", "zebra").out == "No matching tag.\n"


def test_tags_go_over_pages_up_to_the_limit(fake, ise):
    fake.tags = [f"t{n:04}" for n in range(1500)]
    done = ise("tags", "--limit", "1200", "--json")
    assert [one["tag"] for one in done.json["tags"]] == fake.tags[:1200]
    assert ise("tags", "--limit", "1499").err == "1 more: raise --limit.\n"


def test_search_says_which_tag_it_shows_and_exact_term_is_sent(fake, ise):
    fake.searched_as = "butterfly"
    done = ise("search", "--term", "butterflies")
    assert done.err.startswith("Showing butterfly (x isn't a tag).")
    ise("search", "--term", "butterflies", "--exact-term")
    assert fake.asked[-2][1]["exact_term"] == "true"


@pytest.mark.parametrize("term", ["butterfly", "butterflies"])
def test_search_names_the_tags_that_hold_a_word_which_is_no_tag(fake, ise, term):
    fake.tags = ["butterflies_at home", "castle"]
    told = "Tags with the word: 'butterflies_at home'."
    assert told in ise("search", "--term", term).err
    assert "Tags with" not in ise("search", "--term", "zebra").err
    assert "Tags with" not in ise("search", "--term", term, "--exact-term").err
