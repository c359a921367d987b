"""The normal form by which tags and terms are matched; they are stored as written."""

import hashlib
import re
import unicodedata

# Including hyphens, dashes and the minus sign, which word processors substitute for `-`.
_SEPARATORS = re.compile(r"[\s_\-\u2010-\u2015\u2212]+")
# Invisible characters: soft hyphen, zero-width space, word joiner, byte order mark, and the two
# variation selectors of emoji.
_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff\ufe0e\ufe0f]")

# Characters; as UTF-8 at most four times as many bytes, which fits PostgreSQL's index (2,704).
_LONGEST = 600
_KEPT = 560


def normal_form(text: str) -> str:
    """Return the form that all spellings of a tag share, such as `Car_Side`, `car-side` and `car
    side`.

    Unicode NFKC, case-folded, with each run of `_`, `-` and white space as one space, and none at
    the ends. A text of separators only is unchanged. Applying it twice changes nothing.
    """
    folded = _folded(text)
    form = _SEPARATORS.sub(" ", folded).strip() or folded.strip() or folded
    if len(form) <= _LONGEST:
        return form
    # One character may expand to eighteen.
    digest = hashlib.blake2b(form.encode(errors="surrogatepass"), digest_size=16).hexdigest()
    return form[:_KEPT].rstrip() + digest


def words_of(text: str) -> list[str]:
    """Return the words of a tag or term in NFKC, in their own case."""
    return [word for word in _SEPARATORS.split(unicodedata.normalize("NFKC", text)) if word]


def _folded(text: str) -> str:
    if text.isascii():
        return text.casefold()
    text = _INVISIBLE.sub("", text) or text
    # Folding rarely produces characters that NFKC composes again, so repeat until nothing changes.
    while (folded := unicodedata.normalize("NFKC", text).casefold()) != text:
        text = folded
    return text
