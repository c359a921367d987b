"""Filters as terms that an image has or lacks.

A collection holds the terms of each image in an array, and a filter becomes a boolean expression
over it. Terms are hashes: of any length, and free of whatever an expression would have to escape.
The snapshot has the last word on every candidate, so an expression may let too much through, as it
does of bounds, but nothing too little.
"""

import hashlib
from collections.abc import Iterable

from shared.contracts.filters import Condition, Filter
from shared.snapshots.items import Item, tag_key
from shared.snapshots.metadata_index import EXACT_BELOW, number_of, text_of, texts_of

FIELD = "terms"
LENGTH = 24
MOST = 4096
"""Terms of one image, at most: as many as an array of Milvus holds."""

# Term of images that have more terms than that.
_MANY = "many"


def terms_of(item: Item) -> list[str]:
    """The terms of an image's tags and metadata."""
    found = {_term("tag", tag_key(tag)) for tag in item.tags}
    for key, text in texts_of(item.metadata):
        found |= {_term("key", key), _term("is", key, text)}
        if (number := number_of(text)) == number:  # NaN isn't equal to itself
            found.add(_number(key, number))
    return sorted(found) if len(found) <= MOST else [_MANY]


def expression(asked: Filter, knows_tags: bool = True) -> str:
    """Return what every image that meets a filter meets; empty where that says nothing.

    knows_tags: whether the collection has the terms of tags; without, nothing is said of tags.
    """
    said, _ = _said(asked, knows_tags)
    return f'({said}) or array_contains({FIELD}, "{_MANY}")' if said else ""


def _said(asked: Filter, knows_tags: bool) -> tuple[str, bool]:
    """An expression, and whether it says all that the filter says."""
    must = [_condition(one, knows_tags) for one in asked.must]
    should = [_condition(one, knows_tags) for one in asked.should]
    must_not = [_condition(one, knows_tags) for one in asked.must_not]
    parts = [said for said, _ in must if said]
    if should and all(said for said, _ in should):
        parts.append(_joined("or", [said for said, _ in should]))
    parts += [f"(not {said})" for said, is_all in must_not if said and is_all]
    is_all = all(whole for _, whole in (*must, *should, *must_not))
    return _joined("and", parts), is_all


def _condition(asked: Condition, knows_tags: bool) -> tuple[str, bool]:
    if asked.tag is not None:
        if not knows_tags:
            return "", False
        return _has([_term("tag", tag_key(asked.tag))]), True
    if asked.label is not None:
        return "", False
    if asked.key is None:
        return _said(asked, knows_tags)
    if asked.exists is not None:
        said = _has([_term("key", asked.key)])
        return (said if asked.exists else f"(not {said})"), True
    if asked.bounds:
        # A value within bounds implies that the key exists.
        return _has([_term("key", asked.key)]), False
    values = (asked.any if asked.match is None else [asked.match]) or []
    terms = [_value(asked.key, value) for value in values]
    # A term holds a float, which several integers share: the snapshot distinguishes them.
    return _has(terms), all(map(_is_exact, values))


def _is_exact(value: bool | float | str) -> bool:
    return isinstance(value, bool | str) or abs(value) < EXACT_BELOW


def _value(key: str, value: bool | float | str) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(key, float(value))
    return _term("is", key, text_of(value))


def _number(key: str, number: float) -> str:
    # 0 and -0 are equal.
    return _term("number", key, repr(number + 0.0))


def _has(terms: Iterable[str]) -> str:
    return _joined("or", [f'array_contains({FIELD}, "{term}")' for term in terms])


def _joined(word: str, parts: list[str]) -> str:
    return f"({f' {word} '.join(parts)})" if len(parts) > 1 else "".join(parts)


def _term(*parts: str) -> str:
    # The lengths separate keys that continue each other.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.blake2b(text.encode(), digest_size=LENGTH // 2).hexdigest()
