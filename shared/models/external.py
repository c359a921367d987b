"""Fingerprints of vectors that come from outside: no embedder of this engine makes them.

`external:<model>-<dim>`, so vectors of two models, or of two lengths, are never taken for the same.
"""

import re

_PREFIX = "external:"
# Both become names of folders, so they must not contain separators.
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FINGERPRINT = re.compile(r"(external:)?[A-Za-z0-9][A-Za-z0-9._-]{0,149}")


def fingerprint_of(model: str, dim: int) -> str:
    return f"{_PREFIX}{model}-{dim}"


def is_external(fingerprint: str) -> bool:
    return fingerprint.startswith(_PREFIX)


def is_model(text: str) -> bool:
    """Return whether a text can be the name of a model."""
    return _MODEL.fullmatch(text) is not None


def is_fingerprint(text: str) -> bool:
    """Return whether a text can be a fingerprint, of any model."""
    return _FINGERPRINT.fullmatch(text) is not None
