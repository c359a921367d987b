"""Names of places: the town and the country that a person would name."""

import pytest

from shared.media.places import named

PLACES = {
    "the Eiffel tower": (48.8584, 2.2945, "Paris", "France"),
    "Versailles": (48.8049, 2.1204, "Versailles", "France"),
    "the Brandenburg gate": (52.5163, 13.3777, "Berlin", "Germany"),
    "Newark, beside New York": (40.7357, -74.1724, "Newark", "United States"),
    "Sydney's opera": (-33.8568, 151.2153, "Sydney", "Australia"),
    "the Grand Canyon, far from any town": (36.1, -112.1, None, "United States"),
    "the Atlantic": (0.0, -30.0, None, None),
    "the North Pole": (89.99, 0.0, None, None),
}


@pytest.mark.parametrize(("latitude", "longitude", "city", "country"), PLACES.values(), ids=PLACES)
def test_a_place_has_the_names_that_a_person_would_give_it(latitude, longitude, city, country):
    found = named({"latitude": latitude, "longitude": longitude})
    assert (found.get("city"), found.get("country")) == (city, country)


def test_either_side_of_the_date_line_is_near_the_other():
    west = named({"latitude": -16.8, "longitude": -179.97})
    east = named({"latitude": -16.8, "longitude": 179.97})
    assert west.get("country") == east.get("country") == "Fiji"


def test_names_of_another_place_go():
    facts = {"city": "Paris", "country": "France", "width": 3}
    assert named(facts) == {"width": 3}
    assert named(facts | {"latitude": 0.0, "longitude": -30.0})["width"] == 3
    assert "city" not in named(facts | {"latitude": 0.0, "longitude": -30.0})
