"""Rules by which one text is a misspelling of another."""

import re
import unicodedata

# Combining marks of the Latin, Greek, Cyrillic, Hebrew and Arabic alphabets.
_MARKS = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670]")
# Letters that Unicode doesn't decompose into a letter and a mark.
_PLAIN = str.maketrans({"ı": "i", "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th"})
# Each of these characters is a syllable or a word, not a letter.
_SYLLABLES = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]")
_DIGITS = re.compile(r"\d+")

_ONE_SLIP = 4
_TWO_SLIPS = 8


def without_accents(key: str) -> str:
    """Return a normal form without the marks that people leave out when they type."""
    if key.isascii():
        return key
    apart = unicodedata.normalize("NFD", key)
    return unicodedata.normalize("NFC", _MARKS.sub("", apart)).translate(_PLAIN)


def bound(key: str) -> int:
    """Return how many slips a term of this length may have: letters wrong, missing, swapped."""
    if _SYLLABLES.search(key):
        return 0
    letters = sum(map(str.isalpha, key))
    return 0 if letters < _ONE_SLIP else 1 if letters < _TWO_SLIPS else 2


def is_alike(key: str, other: str, distance: int) -> bool:
    """Tell whether a slip explains the difference between a term and a tag near to it."""
    if _DIGITS.findall(key) != _DIGITS.findall(other):
        # 1998 isn't a misspelling of 1999.
        return False
    # The first letter is seldom wrong, and never together with another one.
    return distance < 2 or key[0] == other[0]
