"""Singular and plural of English words.

Callers look the forms up among the tags that exist, so that a form that is no word is harmless.
"""

from collections.abc import Iterator

# (singular, plural) endings, tried in both directions. They are as long as possible: `fe`, `ves`
# would make cafes of caves, `on`, `a` Camerons of cameras, and `is`, `es` Tunis of tunes.
_ENDINGS = (
    ("", "s"),
    ("y", "ies"),
    ("ey", "ies"),
    ("s", "ses"),
    ("x", "xes"),
    ("z", "zes"),
    ("ch", "ches"),
    ("sh", "shes"),
    ("o", "oes"),
    ("z", "zzes"),
    ("s", "sses"),
    ("f", "ves"),
    ("ife", "ives"),
    ("ff", "ves"),
    ("sis", "ses"),
    ("xis", "xes"),
    ("us", "i"),
    ("ium", "ia"),
    ("erion", "eria"),
    ("enon", "ena"),
    ("hedron", "hedra"),
    ("a", "ae"),
    ("ex", "ices"),
    ("ix", "ices"),
    ("o", "i"),
    ("eau", "eaux"),
    ("eu", "eux"),
    ("ma", "mata"),
)
# Whole words or last parts of compounds, such as snowman, eyetooth or grandchild.
_IRREGULAR = (
    ("man", "men"),
    ("child", "children"),
    ("foot", "feet"),
    ("tooth", "teeth"),
    ("goose", "geese"),
    ("mouse", "mice"),
    ("louse", "lice"),
    ("person", "people"),
)
_WHOLE = (
    ("ox", "oxen"),
    ("die", "dice"),
    ("penny", "pence"),
    ("brother", "brethren"),
    ("passerby", "passersby"),
    ("cherub", "cherubim"),
    ("seraph", "seraphim"),
    ("genus", "genera"),
    ("testis", "testes"),
    ("automaton", "automata"),
    ("ganglion", "ganglia"),
    ("mitochondrion", "mitochondria"),
    ("addendum", "addenda"),
    ("datum", "data"),
    ("erratum", "errata"),
    ("forum", "fora"),
    ("memorandum", "memoranda"),
    ("museum", "musea"),
    ("ovum", "ova"),
    ("spectrum", "spectra"),
    ("stratum", "strata"),
)
# Words whose last letter isn't a plural; without it they would be other words.
_NO_PLURALS = frozenset(
    [
        *["news", "lens", "mars", "gas", "bus", "plus"],
        *["mass", "pants", "series", "species", "physics", "always"],
        *["perhaps", "this", "his", "its", "mathematics", "athletics"],
        *["gymnastics", "measles", "christmas", "atlas", "canvas", "cosmos"],
        *["chaos", "iris", "oasis"],
    ]
)
_SHORTEST = 3


def other_numbers(word: str) -> list[str]:
    """Return possible forms of a normalised word in the other number, the likeliest first."""
    forms = dict.fromkeys(_forms(word))
    return [form for form in forms if form != word and (len(form) >= _SHORTEST or form == "ox")]


def _forms(word: str) -> Iterator[str]:
    for possessive in ("'s", "’s"):
        if word.endswith(possessive):
            yield word.removesuffix(possessive)
    for pairs, is_whole in ((_WHOLE, True), (_IRREGULAR, False)):
        for singular, plural in pairs:
            for one, other in ((plural, singular), (singular, plural)):
                if word == one or (not is_whole and word.endswith(one)):
                    yield word.removesuffix(one) + other
    if word not in _NO_PLURALS and not word.endswith("ss"):
        for singular, plural in sorted(_ENDINGS, key=lambda pair: -len(pair[1])):
            if word.endswith(plural):
                yield word.removesuffix(plural) + singular
    for singular, plural in sorted(_ENDINGS, key=lambda pair: -len(pair[0])):
        if word.endswith(singular):
            yield word.removesuffix(singular) + plural
