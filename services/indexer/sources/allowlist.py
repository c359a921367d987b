"""Allowlist of sources for an ingest."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from shared.core.errors import InvalidInput, Misconfigured
from shared.objects.address import Address
from shared.objects.local_path import readable
from shared.objects.opening import outside

Root = Path | Address


@dataclass(frozen=True)
class Roots:
    """The folders that may be ingested; with `anywhere`, others too, unless a request says not."""

    folders: Sequence[Root]
    anywhere: bool = False

    @classmethod
    def parse(
        cls,
        given: Iterable[Path | str],
        extra_protocols: Collection[str] = (),
        anywhere: bool = False,
    ) -> Self:
        """Parse the setting: paths, and URLs. Raises Misconfigured."""
        try:
            found = [
                Address.parse(root, extra_protocols) if isinstance(root, str) else root
                for root in given
            ]
        except InvalidInput as error:
            raise Misconfigured(f"ISE_INGEST_ROOTS: {error.detail}") from None
        return cls(
            [Path(r.path) if isinstance(r, Address) and r.is_local else r for r in found], anywhere
        )

    def of(self, confined: bool) -> Sequence[Root] | None:
        """Return the roots that apply to a request; None: any location is allowed."""
        return None if self.anywhere and not confined else self.folders


def check_allowed(source: Root, roots: Sequence[Root] | None) -> None:
    """Raise Forbidden unless a source is below a root after resolving links; None: all are allowed.

    The members of an archive are where the archive is.
    """
    if roots is None:
        return
    if isinstance(source, Address):
        archive = source if source.archive is None else source.archive
        source = Path(archive.path) if archive.is_local else source
    if not any(_is_within(source, root) for root in roots):
        raise outside(source)


def local_roots(roots: Sequence[Root] | None) -> Sequence[Path] | None:
    """Return those of the roots that are folders of this machine."""
    return None if roots is None else [root for root in roots if isinstance(root, Path)]


def _is_within(source: Root, root: Root) -> bool:
    if isinstance(source, Path):
        return isinstance(root, Path) and resolved(source).is_relative_to(root.resolve())
    return isinstance(root, Address) and source.is_within(root)


def check_path(path: Path) -> None:
    """Raise InvalidInput for an impossible path: too long, or a loop of links.

    A missing path is accepted, because its disk may be mounted later.
    """
    resolved(path)
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    except (OSError, ValueError) as error:
        raise _impossible(path, error) from None


def resolved(path: Path) -> Path:
    """Return a path with all links followed, as far as it is there. Raises InvalidInput."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise _impossible(path, error) from None


def _impossible(path: Path, error: Exception) -> InvalidInput:
    # Python 3.11 raises RuntimeError for a loop of links and ValueError for a NUL character.
    why = "Too many levels of symbolic links"
    if isinstance(error, OSError):
        why = error.strerror or str(error)
    elif isinstance(error, ValueError):
        why = "it has a character that no path may have"
    return InvalidInput(f"{readable(str(path))[:300]!r} can't be read: {why}.")
