"""The `Priority` header of RFC 9218, as far as it matters here."""

import re

_URGENCY = re.compile(r"(?:^|,)[ \t]*u=([0-7])[ \t]*(?=[,;]|$)")
_DEFAULT = 3


def is_bulk(header: str | None) -> bool:
    """Return whether a call is less urgent than the default. An unreadable header is ignored."""
    found = _URGENCY.findall(header or "")
    return bool(found) and int(found[-1]) > _DEFAULT
