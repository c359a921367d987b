"""Words of running text, as they are compared: what a sign says and what somebody types."""

import re
import unicodedata
from collections.abc import Iterator

from shared.terms.normal_form import normal_form

_WORD = re.compile(r"[^\W_]+")
# Written without spaces, so that each character is a word of its own.
_SYLLABLE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_MARKS = re.compile("[\u0300-\u036f]")
_QUOTES = {'"': '"', "\u201c": "\u201d", "\u201e": "\u201c", "\u00ab": "\u00bb"}


def text_words(text: str) -> list[str]:
    """Return the words of a text: case-folded, without accents and punctuation."""
    apart = unicodedata.normalize("NFD", normal_form(text))
    plain = unicodedata.normalize("NFC", _MARKS.sub("", apart))
    return [part for word in _WORD.findall(plain) for part in _parts(word)]


def quoted(term: str) -> str | None:
    """Return what stands between the quotation marks around a term; None without them."""
    stripped = term.strip()
    if len(stripped) < 3 or _QUOTES.get(stripped[0]) != stripped[-1]:
        return None
    return stripped[1:-1].strip() or None


def _parts(word: str) -> Iterator[str]:
    if not _SYLLABLE.search(word):
        yield word
        return
    rest = ""
    for character in word:
        if _SYLLABLE.match(character):
            if rest:
                yield rest
            rest = ""
            yield character
        else:
            rest += character
    if rest:
        yield rest
