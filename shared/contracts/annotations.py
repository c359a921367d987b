"""Limits of annotations: an image's id, uris, tags and metadata.

All inputs are checked here, so that none accepts what an answer can't represent: uploads, PATCH,
manifests, vectors, imports. `check` raises one clear error; the `check_*` functions raise
ValueError with a clause that follows the field's name, as pydantic expects. `presentable` is for
existing data, because earlier versions accepted more.
"""

import json
import math
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from shared.core.errors import InvalidInput

MAX_TAGS = 1000
MAX_TAG = 200
MAX_ID = 200
MAX_URI = 4096
MAX_KEY = 200
LEAST_INTEGER, MOST_INTEGER = -(2**63), 2**64 - 1
"""Range of integers in metadata: 64 bits, signed or unsigned."""

# The catalogue also stores a tag's normal form, which may be longer than the tag.
_MAX_TAG_KEY = 800
_SHOWN = 60
_NOTES = 20
_ENDINGS = ("/file", "/thumbnail", "/similar", "/suggest-tags", "/why", "/why.png")
_CALLS = frozenset({"shapes", "bulk", "timeline"})


@dataclass(frozen=True)
class Bounds:
    """Limits of one image's metadata. `bytes`: as JSON in UTF-8, without blanks.

    `depth`: levels of objects and lists, including the metadata itself. `keys`: of all objects
    together. `is_strict`: also refuse values that an answer can represent, but neither a filter nor
    a database.
    """

    depth: int
    bytes: int
    keys: int
    is_strict: bool = True


WRITTEN = Bounds(depth=8, bytes=64 * 2**10, keys=256)
"""Limits for input."""

ANSWERED = Bounds(depth=64, bytes=2**20, keys=100_000, is_strict=False)
"""Limits for answers, which may contain data of earlier versions."""

TAGS_DESCRIPTION = f"At most {MAX_TAGS:,}, each of at most {MAX_TAG} characters."
METADATA_DESCRIPTION = (
    f"A JSON object of at most {WRITTEN.bytes // 2**10} KiB, {WRITTEN.depth} "
    f"levels and {WRITTEN.keys} keys, including nested keys; a key with its "
    f"parents (`a.b`) has at most {MAX_KEY} characters. Numbers must be "
    "finite, integers must fit 64 bits; no text may contain NUL."
)


def check(
    *,
    image_id: str | None = None,
    uri: str | None = None,
    tags: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Raise InvalidInput, one sentence that names the field, for values that every input
    refuses.
    """
    try:
        named = "id"
        if image_id is not None:
            check_id(image_id)
        named = "uri"
        if uri is not None:
            check_uri(uri)
        named = "tags"
        check_tags(tags)
        named = "metadata"
        if metadata is not None:
            check_metadata(metadata)
    except ValueError as error:
        raise refusal(named, str(error)) from None


def refusal(field: str, clause: str) -> InvalidInput:
    """The error for a field that can't be taken."""
    sentence = f"`{field}`: {clause}."
    return InvalidInput(sentence, errors=[{"field": field, "message": sentence}])


def check_id(text: str) -> str:
    if not text:
        raise ValueError("an id is not empty")
    if len(text) > MAX_ID:
        raise ValueError(f"an id has at most {MAX_ID} characters")
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in text):
        raise ValueError("an id has no control characters, line ends among them")
    if text.endswith(_ENDINGS):
        raise ValueError(f"an id doesn't end in {', '.join(_ENDINGS)}: calls of an image do")
    if text in _CALLS:
        raise ValueError(f"an id isn't `{text}`: a call of images is")
    return text


def check_uri(text: str) -> str:
    if not text:
        raise ValueError("a uri is not empty")
    if len(text) > MAX_URI:
        raise ValueError(f"a uri has at most {MAX_URI:,} characters")
    if (fault := text_fault(text)) is not None:
        raise ValueError(fault)
    return text


def check_tags(tags: Sequence[str]) -> Sequence[str]:
    if len(tags) > MAX_TAGS:
        raise ValueError(f"an image has at most {MAX_TAGS:,} tags, and these are {len(tags):,}")
    for tag in tags:
        if (fault := tag_fault(tag)) is not None:
            raise ValueError(fault)
    return tags


def tag_fault(tag: str) -> str | None:
    """Return the fault of a tag, or None."""
    if len(tag) > MAX_TAG:
        return f"a tag has at most {MAX_TAG} characters, and `{shown(tag)}` has more"
    if (fault := text_fault(tag)) is not None:
        return f"`{shown(tag)}`: {fault}"
    if not tag.isascii() and len(unicodedata.normalize("NFKC", tag).casefold()) > _MAX_TAG_KEY:
        return f"`{shown(tag)}` has characters that stand for too many others"
    return None


def check_metadata(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    if "file" in metadata:
        # Filters reach them as `file.width` and the like.
        raise ValueError("the key `file` is for the facts of a picture's file; use another one")
    if (fault := metadata_fault(metadata)) is not None:
        raise ValueError(fault)
    return metadata


def metadata_fault(metadata: Mapping[str, Any], bounds: Bounds = WRITTEN) -> str | None:
    """Return the fault of metadata, as a clause that names the key, or None."""
    keys = 0
    for path, depth, key, value in _walk(metadata):
        if key is not None:
            keys += 1
            if keys > bounds.keys:
                return f"it has more than {bounds.keys:,} keys, all inner ones counted"
            if (fault := text_fault(key, bounds)) is not None:
                return f"the key `{shown(path)}`: {fault}"
            if bounds.is_strict and len(path) > MAX_KEY:
                return (
                    f"the key `{shown(path)}` has more than {MAX_KEY} characters with the keys "
                    "around it"
                )
        if isinstance(value, Mapping | list):
            # An empty level counts as well.
            if depth > bounds.depth:
                return f"`{shown(path)}` is nested deeper than {bounds.depth} levels"
        elif (fault := _scalar_fault(value, bounds)) is not None:
            return f"`{shown(path)}`: {fault}"
    try:
        size = size_of(metadata)
    except ValueError as error:
        return f"it can't be written as JSON ({error})"
    if size > bounds.bytes:
        return f"it is {size:,} bytes of JSON, and at most {bounds.bytes:,} are taken"
    return None


def size_of(metadata: Any) -> int:
    """The bytes of its JSON in UTF-8, without blanks."""
    return len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode())


def text_fault(text: str, bounds: Bounds = WRITTEN) -> str | None:
    """Return the fault of a text, or None."""
    if bounds.is_strict and "\0" in text:
        return "it holds a NUL character, which no database keeps"
    # Much cheaper than encoding it.
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "it has half a character, a lone surrogate"
    return None


def shown(text: str) -> str:
    """A text as an error can show it: short, and of whole characters."""
    cut = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return cut.encode(errors="backslashreplace").decode().replace("\0", "\\0")


def whole(texts: Sequence[str]) -> list[str]:
    """Return the texts that an answer can give."""
    if all(map(str.isascii, texts)):
        return list(texts)
    return [text for text in texts if text_fault(text, ANSWERED) is None]


def presentable(metadata: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Metadata without the fields that no answer can give, and a note for each of these."""
    if not metadata or metadata_fault(metadata, ANSWERED) is None:
        return dict(metadata), []
    kept: dict[str, Any] = {}
    notes: list[str] = []
    left = ANSWERED.bytes
    for key, value in metadata.items():
        fault = metadata_fault({key: value}, ANSWERED)
        if fault is None and (size := size_of({key: value})) > left:
            fault = "with it, the metadata would be too large for an answer"
        if fault is None:
            kept[key] = value
            left -= size
        else:
            notes.append(f"The metadata's `{shown(key)}` is left out: {fault}.")
    if (more := len(notes) - _NOTES) > 0:
        notes = [*notes[:_NOTES], f"And {more:,} more like these."]
    return kept, notes


def mended(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata of an earlier version, changed to fit the current limits.

    Values that are nested too deep or are invalid numbers become text; fields that still don't fit
    are removed.
    """
    kept: dict[str, Any] = {}
    for key, value in metadata.items():
        if len(kept) == WRITTEN.keys:
            break
        name = _clean(key)[:MAX_KEY]
        for candidate in (value, _flattened(value)):
            if metadata_fault({**kept, name: candidate}) is None:
                kept[name] = candidate
                break
    return kept


def _flattened(value: Any) -> str:
    if isinstance(value, str):
        return _clean(value)
    try:
        return _clean(json.dumps(value, ensure_ascii=False))
    except (ValueError, RecursionError):
        return "…"


def _clean(text: str) -> str:
    return text.replace("\0", "").encode(errors="replace").decode()


def _scalar_fault(value: Any, bounds: Bounds) -> str | None:
    if isinstance(value, str):
        return text_fault(value, bounds)
    if isinstance(value, float) and not math.isfinite(value):
        return "a number is finite"
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if is_whole and bounds.is_strict and not LEAST_INTEGER <= value <= MOST_INTEGER:
        return "a whole number fits 64 bits; write a longer one as text"
    return None


def _walk(metadata: Mapping[str, Any]) -> Iterator[tuple[str, int, str | None, Any]]:
    """Each value with its path, its level, and its key where it is of an object.

    Not by recursion: JSON may be nested deeper than Python calls.
    """
    pending: list[tuple[str, int, Iterator[tuple[str | None, Any]]]] = [
        ("", 1, iter(metadata.items()))
    ]
    while pending:
        path, depth, entries = pending[-1]
        for key, value in entries:
            at = path if key is None else f"{path}.{key}" if path else key
            yield at, depth + 1, key, value
            if isinstance(value, Mapping):
                pending.append((at, depth + 1, iter(value.items())))
                break
            if isinstance(value, list):
                pending.append((at, depth + 1, _unnamed(value)))
                break
        else:
            pending.pop()


def _unnamed(values: Iterable[Any]) -> Iterator[tuple[str | None, Any]]:
    return ((None, value) for value in values)


def _is_none(value: object) -> bool:
    return value is None


ImageId = Annotated[str, Field(min_length=1, max_length=MAX_ID), AfterValidator(check_id)]
Uri = Annotated[str, Field(min_length=1, max_length=MAX_URI), AfterValidator(check_uri)]
Metadata = Annotated[
    dict[str, Any], Field(description=METADATA_DESCRIPTION), AfterValidator(check_metadata)
]
Notes = Annotated[
    list[str] | None,
    Field(
        description="Annotations of this image that no answer can represent; omitted if empty.",
        # Omitted if empty, which it almost always is: older versions refuse unknown fields.
        exclude_if=_is_none,
    ),
]
