"""Colours that terms name, alone or among the parts of a search."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.query.search.combination import Slots
from services.query.search.searcher import Searcher
from shared.contracts.facts import COLORS_KEY, FILE
from shared.contracts.filters import Condition, Filter
from shared.contracts.query import Part, SearchOptions
from shared.models.aligned import reads_sentences
from shared.terms.color_words import ColorTerm, color_term
from shared.terms.text_words import quoted

_SHOWS = 0.15
"""From this share on a picture has a colour that is to be left out."""


def colors_in(term: str, searcher: Searcher, options: SearchOptions) -> ColorTerm | None:
    """Return the colours that a term names; None also where it names a class, as `red fox` does,
    where no colours are known, and for a tower of text, which knows colours itself.
    """
    found = None if options.exact_term else color_term(term)
    joint = searcher.collection.joint
    if joint is not None and reads_sentences(joint.fingerprint):
        return None
    if found is None or not searcher.collection.colors.are_known:
        return None
    head = searcher.collection.labels.head
    is_class = head is not None and bool(head.named(term))
    return None if is_class and not found.is_also_thing else found


@dataclass(frozen=True)
class ColoredParts:
    """Parts of a search: the colours that some name, and what is left of them.

    without: what pictures of colours that are left out meet. slots: the places of the rest.
    """

    colors: tuple[str, ...]
    without: list[Condition]
    rest: list[Part]
    slots: Slots

    def narrowed(self, options: SearchOptions) -> SearchOptions:
        """Return options without the pictures of colours that are left out."""
        if not self.without:
            return options
        given = options.filter or Filter()
        narrowed = given.model_copy(update={"must_not": [*given.must_not, *self.without]})
        return options.model_copy(update={"filter": narrowed})


def colors_among(
    parts: Sequence[Part], searcher: Searcher, options: SearchOptions
) -> ColoredParts | None:
    """Part colours from what is compared by vectors; None where no part names a colour, or where
    nothing would be looked for without it.
    """
    colors: list[str] = []
    without: list[Condition] = []
    rest: dict[int, Part] = {}
    for place, part in enumerate(parts):
        found = _named(part, searcher, options)
        if found is None:
            rest[place] = part
        elif part.weight < 0:
            without += [
                Condition(key=f"{FILE}.{COLORS_KEY}.{name}", gte=_SHOWS) for name in found.colors
            ]
        else:
            colors += found.colors
            if found.rest:
                rest[place] = part.model_copy(update={"term": found.rest})
    is_looked_for = any(part.weight > 0 for part in rest.values()) or (colors and not rest)
    if not (colors or without) or not is_looked_for:
        return None
    slots = Slots(list(rest), len(parts))
    return ColoredParts(tuple(dict.fromkeys(colors)), without, list(rest.values()), slots)


def _named(part: Part, searcher: Searcher, options: SearchOptions) -> ColorTerm | None:
    """Return the colours of a part, whose term is no tag, text, or thing of the colour's name."""
    term = (part.term or "").strip()
    if not term or quoted(term) is not None or searcher.is_carried(term):
        return None
    found = colors_in(term, searcher, options)
    if found is None or found.is_also_thing or (part.weight < 0 and found.rest):
        return None
    return found
