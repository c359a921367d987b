"""Ground truth: images that belong together by the collection's tags, a folder's sub-folders, or a
manifest.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from shared.clients import query
from shared.clients.transport import Client
from shared.contracts.query import MAX_LIMIT
from shared.core.errors import InvalidInput, NotFound
from shared.media.identity import content_id
from shared.snapshots.items import tag_key

Labels = dict[str, frozenset[str]]
"""The labels of each image, by its id; those without any are left out."""


def of_collection(client: Client) -> Labels:
    """Label images by the tags that they carry: the 1,000 most frequent ones."""
    found: dict[str, set[str]] = {}
    for tag in client.send(query.list_tags(limit=MAX_LIMIT)).tags:
        cursor: str | None = None
        while True:
            call = query.search_term(tag.tag, limit=MAX_LIMIT, cursor=cursor)
            answer = client.send(call)
            for hit in answer.hits:
                found.setdefault(hit.id, set()).add(tag_key(tag.tag))
            if (cursor := answer.next) is None:
                break
    return _frozen(found)


def of_path(path: Path) -> Labels:
    """Label images by a folder, whose sub-folders are labels, or a manifest as `ise ingest` takes
    it.
    """
    if not path.exists():
        raise InvalidInput(f"{path} doesn't exist.")
    found: dict[str, set[str]] = {}
    for file, labels in _in_folder(path) if path.is_dir() else _in_manifest(path):
        if labels:
            found.setdefault(content_id(file.read_bytes()), set()).update(labels)
    return _frozen(found)


def indexed(client: Client, labels: Labels) -> Labels:
    """Return the labels of images in the collection. Raises InvalidInput if there are none."""
    kept = {}
    for image_id, names in labels.items():
        try:
            client.send(query.get_image(image_id))
        except NotFound:
            continue
        kept[image_id] = names
    if not kept:
        raise InvalidInput("None of these pictures is in the collection: `ise ingest` them first.")
    return kept


def _in_folder(folder: Path) -> Iterator[tuple[Path, set[str]]]:
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.parent != folder:
            yield file, {tag_key(file.parent.name)}


def _in_manifest(manifest: Path) -> Iterator[tuple[Path, set[str]]]:
    lines = manifest.read_text(encoding="utf-8-sig").splitlines()
    is_csv = manifest.suffix.lower() == ".csv"
    try:
        rows = list(csv.DictReader(lines)) if is_csv else [json.loads(li) for li in lines if li]
        for row in rows:
            tags = row.get("tags") or []
            if isinstance(tags, str):
                tags = tags.replace(";", ",").split(",")
            yield manifest.parent / row["path"], {tag_key(t) for t in tags if t.strip()}
    except (KeyError, ValueError, TypeError) as error:
        raise InvalidInput(f"{manifest} has no `path` and `tags` to read: {error}") from error


def _frozen(found: Mapping[str, set[str]]) -> Labels:
    return {image_id: frozenset(labels) for image_id, labels in found.items()}
