"""Resolution of links within an archive; none leads out of it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from services.indexer.sources.member import Index, Member
from services.indexer.sources.skipping import Skip
from shared.objects.file import Stamp

_MOST_HOPS = 40
_LEAST_ALIASES = 10_000
_NONE = Member(Stamp(0, 0), 0, 0, skip=Skip.LINKS)


def resolved(found: Index, targets: Mapping[str, str]) -> Index:
    """Return all members, with links replaced by their targets.

    `targets`: paths by the links' names. A link to a file is another name of that file. A link to a
    folder is left out, but the folder's files are also present under the link's name, marked as
    `through_link`. A broken link is left out.
    """
    if not targets:
        return found
    folders: dict[str, list[str]] = {}
    for name in found:
        at = name.find("/")
        while at >= 0:
            folders.setdefault(name[:at], []).append(name)
            at = name.find("/", at + 1)
    all_members = dict(found)
    most = max(_LEAST_ALIASES, len(found))
    for name in targets:
        target = _end(name, targets)
        member = found.get(target) if target else None
        if member is not None and member.skip is None and name not in found:
            all_members[name] = member
            continue
        # Only the name of a broken link is known.
        all_members[name] = _NONE
        inside = folders.get(target, []) if target else []
        if target and not f"{name}/".startswith(f"{target}/") and len(inside) <= most:
            most -= len(inside)
            all_members[name] = replace(_NONE, is_folder=True)
            for alias, of in _aliases(name, target, inside):
                all_members.setdefault(alias, replace(found[of], through_link=True))
    return all_members


def target_of(name: str, given: str) -> str | None:
    """Return the path in the archive that a symbolic link names; None if it leads out."""
    if given.startswith("/") or "\\" in given or "\0" in given:
        return None
    parts = name.split("/")[:-1]
    for part in given.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _end(name: str, targets: Mapping[str, str]) -> str | None:
    """Return the final target of a link; None for a loop or a path out of the archive."""
    for _ in range(_MOST_HOPS):
        if name not in targets:
            return name
        name = targets[name]
    return None


def _aliases(link: str, folder: str, names: list[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        yield f"{link}/{name[len(folder) + 1 :]}", name
