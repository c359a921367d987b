"""Colours of pictures, and the names by which terms ask for them."""

import numpy as np
import pytest

from shared.core.color_names import COLORS, MONOCHROME, NAMES
from shared.media.colors import central, named, packed, shares_of, unpacked
from shared.terms.color_words import ColorTerm, color_term

PLAIN = {
    "black": ["#000000", "#141414"],
    "white": ["#ffffff", "#f8f8f8"],
    "grey": ["#808080", "#a9a9a9"],
    "red": ["#ff0000", "#b22222", "#dc143c"],
    "orange": ["#ffa500", "#ff8c00"],
    "yellow": ["#ffff00", "#ffd700"],
    "green": ["#008000", "#90ee90", "#228b22"],
    "blue": ["#0000ff", "#add8e6", "#000080", "#4169e1"],
    "purple": ["#800080", "#8a2be2"],
    "pink": ["#ffc0cb", "#ff69b4"],
    "brown": ["#8b4513", "#a0522d"],
}


def _rgb(code):
    return [int(code[at : at + 2], 16) for at in (1, 3, 5)]


def _plain(code, size=(40, 60)):
    return np.full((*size, 3), _rgb(code), np.uint8)


@pytest.mark.parametrize(("name", "code"), [(n, c) for n, some in PLAIN.items() for c in some])
def test_a_colour_is_called_by_its_basic_name(name, code):
    found = named(np.array([_rgb(code)]) / 255)[0]
    assert COLORS[int(found.argmax())] == name
    assert found.sum() == pytest.approx(1, abs=1e-5)
    assert shares_of(_plain(code)).get(name, 0) > 0.5


def test_what_stands_out_in_the_middle_counts_more_than_the_ground():
    picture = _plain("#90ee90", (224, 224))
    picture[80:144, 80:144] = _rgb("#ff0000")
    found = shares_of(picture)
    # The red has a twelfth of the pixels.
    assert found["red"] > 0.3
    assert found["red"] + found["green"] == pytest.approx(1, abs=0.1)


def test_only_a_picture_without_colours_is_monochrome():
    grey = np.random.default_rng(0).integers(0, 256, (50, 50, 1), np.uint8).repeat(3, axis=2)
    assert shares_of(grey)[MONOCHROME] == 1
    assert MONOCHROME not in shares_of(_plain("#ff0000"))


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 7), (51, 49)])
def test_pictures_of_any_size_have_colours(size):
    assert shares_of(_plain("#ff0000", size)) == pytest.approx({"red": 1.0}, abs=0.01)
    assert central(_plain("#ff0000", size)).size > 0


def test_shares_are_the_same_after_a_journey():
    several = [{"red": 0.5, "blue": 0.25}, {}, {MONOCHROME: 1.0, "black": 0.02}]
    found = unpacked(b"".join(packed(one) for one in several))
    for one, other in zip(found, several, strict=True):
        assert one == pytest.approx(other, abs=0.006)
    with pytest.raises(ValueError, match="shares"):
        unpacked(bytes(len(NAMES) + 1))


@pytest.mark.parametrize(
    ("term", "colors", "rest"),
    [
        ("red", ["red"], ""),
        ("GRAY", ["grey"], ""),
        ("violet", ["purple"], ""),
        ("blue pictures", ["blue"], ""),
        ("red car", ["red"], "car"),
        ("a big Red car", ["red"], "big car"),
        ("red_car", ["red"], "car"),
        ("dark-blue flower", ["blue"], "flower"),
        ("navy blue suit", ["blue"], "suit"),
        ("green-coloured door", ["green"], "door"),
        ("woman in red", ["red"], "woman"),
        ("photo of a red car", ["red"], "car"),
        ("red and blue parrot", ["red", "blue"], "parrot"),
        ("black and white", [MONOCHROME], ""),
        ("black & white photos", [MONOCHROME], ""),
        ("b&w", [MONOCHROME], ""),
        ("monochrome portrait", [MONOCHROME], "portrait"),
        ("black and white photo of a car", [MONOCHROME], "car"),
        ("black and white cat", ["black", "white"], "cat"),
    ],
)
def test_a_term_names_colours(term, colors, rest):
    assert color_term(term) == ColorTerm(tuple(colors), rest, term == "violet")


@pytest.mark.parametrize("term", ["car", "reddit", "", "light", "navy", "rose", "gold", "redcar"])
def test_a_term_names_no_colour(term):
    assert color_term(term) is None
