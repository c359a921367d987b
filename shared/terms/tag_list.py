"""Tags in one text, separated by commas. A tag with a comma in it stands in double quotes."""

import re
from collections.abc import Iterable

# A quoted tag, in which "" stands for a quotation mark, or everything up to the next comma.
_ONE = re.compile(r'\s*(?:"((?:[^"]|"")*)"\s*(?=,|$)|([^,]*))(?:,|$)', re.DOTALL)


def split_tags(text: str) -> list[str]:
    """Return the tags of a comma-separated text: `castle, "Portland, Oregon"`.

    A quotation mark inside a tag, as in `12" vinyl`, is part of it.
    """
    tags: list[str] = []
    at = 0
    while at < len(text):
        found = _ONE.match(text, at)
        if found is None or found.end() == at:
            break
        quoted, plain = found[1], found[2]
        tags.append(plain.strip() if quoted is None else quoted.replace('""', '"').strip())
        at = found.end()
    return [tag for tag in tags if tag]


def join_tags(tags: Iterable[str]) -> str:
    """Return one text from which `split_tags` restores the tags."""
    return ",".join(_quoted(tag) for tag in tags)


def _quoted(tag: str) -> str:
    if "," not in tag and not tag.lstrip().startswith('"'):
        return tag
    return '"' + tag.replace('"', '""') + '"'
