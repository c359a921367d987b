"""A folder of 2,500 real photos, followed through an ordinary day. Minutes long."""

import shutil
from pathlib import Path

import pytest

from shared.clients import query
from shared.contracts.answer import Mode
from shared.media.identity import content_id
from tests.e2e.conftest import Start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_a_sync_embeds_only_what_is_new(start: Start, shuffled: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "photos"

    def put(photo: Path, name: str) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(photo, folder / name)

    there, later = shuffled[:2445], shuffled[2445:]
    names = [f"{path.parent.name}/{path.name}" for path in there]
    for path, name in zip(there, names, strict=True):
        put(path, name)
    with start() as engine:
        first = engine.ingest(folder, sync=True)
        for photo in later[:50]:
            put(photo, f"new/{photo.parent.name}-{photo.name}")
        for name in names[:20]:
            (folder / name).unlink()
        for name in names[20:50]:
            (folder / name).rename(folder / Path(name).with_stem(f"moved-{Path(name).stem}"))
        for name in names[50:60]:
            target = folder / "elsewhere" / name.replace("/", "-")
            target.parent.mkdir(exist_ok=True)
            (folder / name).rename(target)
        for name, photo in zip(names[60:65], later[50:], strict=True):
            put(photo, name)
        planned = engine.ingest(folder, sync=True, dry_run=True)
        job = engine.ingest(folder, sync=True)
        again = engine.ingest(folder, sync=True)
        gone = {content_id(path.read_bytes()) for path in there[:20] + there[60:65]}
        answers = [
            {hit.id for hit in engine.ask(query.search_image(path.read_bytes())).hits}
            for path in there[:20] + there[60:65]
        ]
        new = engine.ask(query.search_term("new", limit=100))
    assert first.result is not None
    assert planned.result is not None
    assert job.result is not None
    assert again.result is not None
    assert first.result["embedded"] == 2445
    wanted = {"add": 50, "change": 5, "move": 30, "retag": 10, "copy": 0, "delete": 20}
    assert planned.result["plan"]["counts"] == wanted
    assert job.result["embedded"] == planned.result["plan"]["embed"] == 55
    assert wanted.items() <= job.result.items()
    assert (job.result["images"], job.result["unchanged"]) == (2475, 2380)
    assert (again.result["embedded"], again.result["unchanged"]) == (0, 2475)
    assert all(gone.isdisjoint(found) for found in answers)
    assert (new.mode, len(new.hits)) == (Mode.TAG, 50)
