"""Colours that a term names: `blue`, `red car`, `black and white photo`."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.core.color_names import MONOCHROME
from shared.terms.normal_form import normal_form

_WORDS = {
    **{name: name for name in ("black", "white", "grey", "red", "orange", "yellow", "green")},
    **{name: name for name in ("blue", "purple", "pink", "brown")},
    **{"gray": "grey", "violet": "purple", "crimson": "red", "scarlet": "red", "maroon": "red"},
    **{"magenta": "pink", "turquoise": "blue", "cyan": "blue"},
    **{"blackish": "black", "whitish": "white", "greyish": "grey", "grayish": "grey"},
    **{"reddish": "red", "yellowish": "yellow", "greenish": "green", "bluish": "blue"},
    **{"purplish": "purple", "pinkish": "pink", "brownish": "brown"},
}
_ALSO_THINGS = frozenset(["orange", "violet", "turquoise"])
"""Words that alone name something else as well: a fruit, a flower, a stone."""
_SHADES = frozenset(["bright", "dark", "deep", "light", "navy", "pale", "sky", "vivid"])
"""What may stand before a colour; it says which red, not what."""
_AFTER = frozenset(["color", "colored", "colour", "coloured"])
_JOINTS = frozenset(["and", "&", "+", "n"])
_EDGES = frozenset(["a", "an", "the", "some", "any", "in", "with", "of", "my", "and", "&"])
"""Words that mean nothing at the end that a colour was taken from."""
_ANYTHING = frozenset(
    [
        *["image", "images", "object", "objects", "photo", "photograph", "photographs"],
        *["photography", "photos", "pic", "pics", "picture", "pictures", "thing", "things"],
    ]
)
_MONOCHROME = (
    *(["black", "and", "white"], ["black", "&", "white"], ["b&w"], ["b/w"], ["bw"]),
    *(["monochrome"], ["grayscale"], ["greyscale"], ["gray", "scale"], ["grey", "scale"]),
)


@dataclass(frozen=True)
class ColorTerm:
    """A term with colours: their names, and the words that are left.

    is_also_thing: the term is one word that names a thing as well, as `orange`.
    """

    colors: tuple[str, ...]
    rest: str
    is_also_thing: bool = False


def color_term(term: str) -> ColorTerm | None:
    """Return the colours that a term names, and the rest of it; None: it names none."""
    words = normal_form(term).split(" ")
    monochrome = _monochrome(words)
    if monochrome is not None:
        return monochrome
    colors, rest = [], list[str]()
    at = 0
    while at < len(words):
        end = _end_of_color(words, at)
        if end is None:
            rest.append(words[at])
            at += 1
            continue
        colors.append(_WORDS[words[end - 1]])
        while end < len(words) and words[end] in _AFTER:
            end += 1
        # `red and blue`: what joins two colours is none of the rest.
        if end < len(words) and words[end] in _JOINTS and _end_of_color(words, end + 1):
            end += 1
        at = end
    if not colors:
        return None
    is_also_thing = len(words) == 1 and words[0] in _ALSO_THINGS
    return ColorTerm(tuple(dict.fromkeys(colors)), _left(rest), is_also_thing)


def _end_of_color(words: Sequence[str], at: int) -> int | None:
    """Return the place behind a colour that begins at a word, with its shades; None: none does."""
    while at < len(words) and words[at] in _SHADES:
        at += 1
    return at + 1 if at < len(words) and words[at] in _WORDS else None


def _monochrome(words: Sequence[str]) -> ColorTerm | None:
    """Read a term that asks for pictures without colours."""
    for form in _MONOCHROME:
        for at in range(len(words) - len(form) + 1):
            if list(words[at : at + len(form)]) != form:
                continue
            rest = _left([*words[:at], *words[at + len(form) :]])
            # A black and white cat may be in colour.
            if rest and form[0] == "black" and not set(words) & _ANYTHING:
                return None
            return ColorTerm((MONOCHROME,), rest)
    return None


def _left(words: Sequence[str]) -> str:
    """Return the words that are left and mean something."""
    kept = [word for word in words if word not in _ANYTHING]
    while kept and kept[0] in _EDGES:
        kept.pop(0)
    while kept and kept[-1] in _EDGES:
        kept.pop()
    return " ".join(kept)
