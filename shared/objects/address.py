"""Addresses as text: a local path, a URL, or a member of an archive.

The text is stored in the catalogue and displayed, so it contains no credentials, and every location
has one text.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self
from unicodedata import category
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

from shared.core.errors import InvalidInput, Misconfigured
from shared.objects.local_path import readable, text_of

LOCAL = "file"
WEB = frozenset({"http", "https"})
ARCHIVES = frozenset({"zip", "tar"})
PROTOCOLS = frozenset({LOCAL, "s3"}) | WEB | ARCHIVES
"""Protocols that need no setting."""

# Parameters of signed URLs, as object stores and hosts name them.
_SECRETS = frozenset(
    {"access_token", "key", "sig", "signature", "token", "x-amz-credential", "x-amz-security-token"}
    | {"x-amz-signature", "x-goog-credential", "x-goog-signature"}
)

_CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Address:
    """`path`: absolute on this machine; else the part after `://`, which begins with the bucket or
    host.

    `archive`: address of the archive that contains it.
    """

    protocol: str
    path: str
    archive: "Address | None" = None

    @classmethod
    def parse(cls, text: str, extra_protocols: Collection[str] = ()) -> Self:
        """Parse an address.

        `extra_protocols`: protocols besides the usual ones. Raises InvalidInput.
        """
        protocol, parted, rest = text.partition("://")
        if text.startswith("/") or not parted:
            return cls._local(text)
        protocol = protocol.lower()
        if protocol == LOCAL:
            return cls._local(unquote(rest, errors="surrogateescape"))
        if protocol not in PROTOCOLS | set(extra_protocols):
            raise InvalidInput(
                f"{protocol}:// is not a supported protocol ({_listed(extra_protocols)}). Add it "
                "to ISE_SOURCE_PROTOCOLS."
            )
        if protocol in ARCHIVES:
            member, chained, archive = rest.rpartition("::")
            if not chained:
                raise InvalidInput(
                    f"{protocol}:// needs an archive behind `::`, as in "
                    f"{protocol}://folder::s3://bucket/pictures.{protocol}."
                )
            _check_segments(member)
            return cls(protocol, member.strip("/"), cls._of_archive(archive, extra_protocols))
        if protocol in WEB:
            return cls(protocol, _web_path(protocol, rest))
        _check_segments(rest.rstrip("/"))
        if "@" in rest.partition("/")[0]:
            raise _with_credentials(protocol)
        if not rest.strip("/"):
            raise InvalidInput(f"{protocol}:// needs the name of a bucket behind it.")
        return cls(protocol, rest.strip("/"))

    @classmethod
    def of_store(cls, text: str, setting: str, extra_protocols: Collection[str] = ()) -> Self:
        """A folder of an object store, as a setting names it. Raises Misconfigured."""
        try:
            address = cls.parse(text, extra_protocols)
        except InvalidInput as error:
            raise Misconfigured(f"{setting}: {error.detail}") from None
        if address.is_local or address.protocol in WEB or address.archive is not None:
            raise Misconfigured(
                f"{setting} must be the URL of an object store, such as s3://bucket/folder."
            )
        return address

    @classmethod
    def _local(cls, text: str) -> Self:
        if not text.startswith("/"):
            raise InvalidInput(
                "`source` must be an absolute path on the indexer's machine, or a URL."
            )
        if "\0" in text:
            raise InvalidInput(f"{text[:200]!a} has a NUL character, which no path may have.")
        return cls(LOCAL, text)

    @classmethod
    def _of_archive(cls, text: str, extra_protocols: Collection[str]) -> Self:
        found = cls.parse(text, extra_protocols)
        if found.protocol in WEB | ARCHIVES:
            raise InvalidInput(
                "Archives can be read only on this machine or in an object store. "
                "Download or unpack this one first."
            )
        return found

    def __str__(self) -> str:
        if self.protocol == LOCAL:
            return text_of(self.path)
        behind = "" if self.archive is None else f"::{self.archive}"
        return f"{self.protocol}://{self.path}{behind}"

    @property
    def is_local(self) -> bool:
        return self.protocol == LOCAL

    @property
    def name(self) -> str:
        """The last part of the path, without a query."""
        return readable(PurePosixPath(self._plain).name)

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix.lower()

    @property
    def _plain(self) -> str:
        return self.path.partition("?")[0] if self.protocol in WEB else self.path

    def child(self, name: str) -> "Address":
        """Return the address of a path below this one."""
        path = f"{self.path.rstrip('/')}/{name}" if self.path else name
        return Address(self.protocol, path, self.archive)

    def beside(self, given: str, extra_protocols: Collection[str] = ()) -> "Address":
        """Resolve a path or URL in a manifest at this address. Raises InvalidInput."""
        if "://" in given:
            found = Address.parse(given, extra_protocols)
            inner = found.archive or found
            if not self.is_local and (
                inner.is_local or (self.protocol in WEB) > (found.protocol in WEB)
            ):
                raise InvalidInput("A manifest from elsewhere names only what is where it is.")
            return found
        if self.is_local:
            return Address._local(str(Path(self.path).parent / given))
        if self.protocol in WEB:
            return Address.parse(urljoin(str(self), given), extra_protocols)
        _check_segments(given)
        if given.startswith("/"):
            raise InvalidInput("A path in a manifest that isn't on this machine is relative to it.")
        folder = str(PurePosixPath(self.path).parent)
        return Address(self.protocol, "" if folder == "." else folder, self.archive).child(given)

    def is_within(self, root: "Address") -> bool:
        """Return whether it lies below another address, judging by text; an archive's member does
        if the archive does.
        """
        if self.archive is not None and self.protocol != root.protocol:
            return self.archive.is_within(root)
        if (self.protocol, self.archive) != (root.protocol, root.archive):
            return False
        above = root._plain.rstrip("/")
        return not above or self._plain == above or self._plain.startswith(f"{above}/")


def store_at(url: str, setting: str) -> Address:
    """The folder of an object store that a setting names, of any protocol that fsspec knows.

    Raises Misconfigured.
    """
    return Address.of_store(url, setting, {url.partition("://")[0].lower()})


def snapshots_from(url: str) -> Address | None:
    """Return the address in ISE_SNAPSHOTS_FROM, from which snapshots and networks are downloaded,
    if any. Raises Misconfigured.
    """
    return store_at(url, "ISE_SNAPSHOTS_FROM") if url else None


def _web_path(protocol: str, rest: str) -> str:
    try:
        parts = urlsplit(f"{protocol}://{rest}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidInput(f"A URL can't be read: {error}.") from None
    if not host:
        raise InvalidInput(f"{protocol}:// needs the name of a host behind it.")
    if parts.username is not None or parts.password is not None:
        raise _with_credentials(protocol)
    _check_segments(parts.path)
    if _SECRETS & {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}:
        raise InvalidInput(
            f"A URL of {host} is signed or contains a key, which would be stored and "
            "shown. Use s3:// for pictures in a bucket, or URLs that need no key."
        )
    shown = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}[protocol]
    netloc = shown if port in (None, usual) else f"{shown}:{port}"
    return f"{netloc}{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"


def _check_segments(path: str) -> None:
    for segment in path.split("/"):
        plain = unquote(segment)
        if plain in (".", "..") or "/../" in f"/{plain}/" or _has_control(plain):
            raise InvalidInput(f"{path!a} contains `.`, `..` or a control character.")
        if "\\" in plain:
            raise InvalidInput(f"{path!a} has a backslash; separate the parts of a path by `/`.")
    if "::" in path:
        raise InvalidInput(f"{path!a} has `::`, which parts a member from its archive.")


def _has_control(text: str) -> bool:
    """Return whether a text contains line ends or terminal controls.

    Wide and narrow spaces, and the joiners of emojis, are parts of names.
    """
    return not text.isprintable() and any(category(char) in _CONTROLS for char in text)


def _with_credentials(protocol: str) -> InvalidInput:
    return InvalidInput(
        f"The {protocol}:// URL has a user or a password in it, which would be "
        "stored and shown. Set credentials in the environment instead."
    )


def _listed(extra_protocols: Collection[str]) -> str:
    return ", ".join(sorted(PROTOCOLS | set(extra_protocols)))
