"""Access keys, each with a label and scopes, from a file that may change meanwhile.

A line of the file has a label, scopes, and the key itself or its SHA-256; `#` begins a comment:

    # label   scopes       key
    office    read,write   sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b
    kiosk     read         gT5wq9Zr0yXc7uKd2sLbNf8e
"""

import hashlib
import hmac
import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from shared.core.errors import Misconfigured
from shared.core.settings import LEAST_KEY

# `#` begins a comment at the start of a word only, because keys may contain it.
_COMMENT = re.compile(r"(?:^|\s)#")
_OWN = "ISE_API_KEY"
"""Label of the service's own key."""
_LABEL = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HASH = re.compile(r"sha256:([0-9a-f]{64})")

log = logging.getLogger(__name__)


class Scope(StrEnum):
    """Permission of a key. `write` doesn't include `read`: a key may be there to add only."""

    READ = "read"
    WRITE = "write"


ALL = frozenset(Scope)


@dataclass(frozen=True)
class Key:
    """A key by its SHA-256; the key itself isn't stored."""

    label: str
    scopes: frozenset[Scope]
    digest: bytes


class KeyRing:
    """The keys of a service: its own, with all scopes, and those of a file.

    An invalid file is an error at the start. Later, the previous keys stay valid, and `warning`
    says so.
    """

    def __init__(self, own: str | None, file: Path | None = None) -> None:
        self._own = [Key(_OWN, ALL, _digest(own.encode()))] if own else []
        secret = own.encode() if own else os.urandom(32)
        self.secret = hmac.new(secret, b"signing", "sha256").digest()
        """Secret to sign with. Replicas share it by their key; without one, each has its own."""
        self._file = file
        self._listed: list[Key] = []
        self._seen: tuple[int, ...] | None = None
        self.warning: str | None = None
        """Reason why the file's present version isn't used, or None."""
        if file is not None:
            self._seen = _version(file)
            self._listed = _read(file)

    @property
    def is_empty(self) -> bool:
        """True if no key is required. An empty file of keys leaves only the service's own."""
        return not self._own and self._file is None

    def find(self, given: bytes) -> Key | None:
        """Return the key with this secret, in a time that doesn't depend on the secret."""
        self._refresh()
        digest = _digest(given)
        found = None
        for key in (*self._own, *self._listed):
            if hmac.compare_digest(digest, key.digest):
                found = key
        return found

    def labelled(self, label: str) -> Key | None:
        """Return the key with this label, if it is still valid."""
        self._refresh()
        return next((key for key in (*self._own, *self._listed) if key.label == label), None)

    def _refresh(self) -> None:
        if self._file is None or (version := _version(self._file)) == self._seen:
            return
        self._seen = version
        try:
            self._listed = _read(self._file)
        except Misconfigured as error:
            # `/ready` shows this to anybody, so only the log has the details.
            self.warning = (
                "ISE_API_KEYS_FILE can't be read; the log says why. The previous keys remain valid."
            )
            log.error("%s The previous keys remain valid.", error.detail)
        else:
            self.warning = None
            log.info("%s: reloaded, %d keys", self._file, len(self._listed))


def parse(text: str) -> list[Key]:
    """The keys of a file's text. Raises Misconfigured, which never shows a key."""
    keys: list[Key] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = _COMMENT.split(line, maxsplit=1)[0].split()
        if not words:
            continue
        try:
            keys.append(_key(words, keys))
        except ValueError as error:
            raise Misconfigured(f"line {number}: {error}.") from None
    return keys


def _key(words: list[str], before: Iterable[Key]) -> Key:
    """Parse a line. Raises ValueError, whose text doesn't contain the key."""
    if len(words) != 3:
        raise ValueError("a line has a label, scopes and a key, parted by blanks")
    label, scopes, secret = words
    if not _LABEL.fullmatch(label):
        raise ValueError("a label has up to 64 letters, digits, dots, dashes and underscores")
    if label == _OWN:
        raise ValueError(f"the label {_OWN} is that of the service's own key")
    try:
        allowed = frozenset(Scope(scope) for scope in scopes.split(","))
    except ValueError:
        raise ValueError("the scopes are `read`, `write` or `read,write`") from None
    if hashed := _HASH.fullmatch(secret):
        digest = bytes.fromhex(hashed[1])
    elif secret.startswith("sha256:"):
        raise ValueError("`sha256:` is followed by 64 hexadecimal digits in lower case")
    elif len(secret) < LEAST_KEY or not secret.isascii():
        raise ValueError(f"a key has at least {LEAST_KEY} ASCII characters")
    else:
        digest = _digest(secret.encode())
    for key in before:
        if key.label == label or key.digest == digest:
            raise ValueError(f"the label or the key is that of {key.label!r} already")
    return Key(label, allowed, digest)


def _read(file: Path) -> list[Key]:
    try:
        return parse(file.read_text(encoding="utf-8"))
    except Misconfigured as error:
        raise Misconfigured(f"ISE_API_KEYS_FILE={file}, {error.detail}") from None
    except OSError as error:
        why = error.strerror or str(error)
        raise Misconfigured(f"ISE_API_KEYS_FILE={file} can't be read: {why}.") from None
    except UnicodeDecodeError:
        raise Misconfigured(f"ISE_API_KEYS_FILE={file} is not UTF-8 text.") from None


def _version(file: Path) -> tuple[int, ...] | None:
    """Return a value that changes with the file, whether it's rewritten or replaced."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
