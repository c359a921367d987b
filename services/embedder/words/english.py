"""Singular and plural: the regular ones, since word vectors have the others themselves."""

_SIBILANTS = ("s", "x", "z", "ch", "sh")
_SHORTEST = 3


def other_numbers(word: str) -> list[str]:
    """Return possible spellings of a word in the other number, or without a possessive 's.

    Some are not words; the caller looks them up. Case is preserved.
    """
    lower = word.lower()
    ways = []
    if lower.endswith(("'s", "\u2019s")):
        ways.append(word[:-2])
    elif lower.endswith("s") and not lower.endswith("ss"):
        ways.append(word[:-1])
        if lower.endswith("es"):
            ways.append(word[:-2])
        if lower.endswith("ies"):
            ways.append(word[:-3] + "y")
    ways.append(word + ("es" if lower.endswith(_SIBILANTS) else "s"))
    if lower.endswith("y"):
        ways.append(word[:-1] + "ies")
    return [way for way in ways if len(way) >= _SHORTEST]
