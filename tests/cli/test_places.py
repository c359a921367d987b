"""`ise search --place`, and the offer of a place whose name was searched."""

import json


def test_a_place_alone_lists_its_pictures_by_date(fake, ise):
    fake.places = {"Paris": 28}
    done = ise("search", "--place", "paris", "--limit", "1")
    assert "trips/1.jpg" in done.out
    assert done.err == "27 more: raise --limit.\n"
    [(name, asked)] = fake.asked
    assert (name, asked["sort"]) == ("images", "-taken")
    condition = {"key": "file.city", "match": "Paris"}
    assert json.loads(asked["filter"])["must"] == [condition]
    ise("search", "--term", "cat", "--place", "Paris")
    assert json.loads(fake.asked[-2][1]["filter"])["must"] == [condition]


def test_a_search_by_the_name_of_a_place_offers_its_pictures(fake, ise):
    fake.places = {"Paris": 28, "Cat": 1}
    offer = "28 pictures were taken in Paris; to see them: ise search --place Paris\n"
    assert ise("search", "--term", "paris").err.endswith(offer)
    assert "1 picture was taken in Cat;" in ise("search", "--term", "cat").err
    assert "taken in" not in ise("search", "--term", "dog").err
    # Also where nothing knows the word.
    fake.knows_words = False
    done = ise("search", "--term", "paris")
    assert offer in done.err
    assert "Nothing knows paris." in done.err
    assert done.code == 1


def test_an_unknown_place_is_an_error_that_names_it(fake, ise):
    done = ise("search", "--place", "Atlantis")
    assert "No picture was taken in a place called 'Atlantis'." in done.err
    assert done.code == 1
