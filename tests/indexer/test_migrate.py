"""What a migration refuses, and what it keeps for the next run; all of it is in tests/engine."""

import pytest

from services.indexer.publishing.migration_state import MigrationState, MigrationStore
from shared.clients import indexer
from shared.contracts.indexer import AddState
from shared.contracts.migration import MigrateRequest
from shared.core.engine import Engine
from shared.core.errors import Conflict, Corrupt

NOWHERE = "http://127.0.0.1:9"


def asked(to: Engine):
    return indexer.migrate_index(MigrateRequest(to=to))


def test_an_empty_collection_has_nothing_to_move(service):
    with pytest.raises(Conflict, match="the collection is empty"):
        service.send(asked(Engine.MILVUS))


def test_a_collection_is_not_moved_against_the_setting(service, picture):
    service.add(picture(1), picture(2))
    with pytest.raises(Conflict, match="Set ISE_ENGINE=milvus for the indexer and the query"):
        service.send(asked(Engine.MILVUS))
    job = service.succeeded(service.send(asked(Engine.LOCAL)))
    snapshot = service.parts.current.manifest().number
    assert job.result == {"snapshot": snapshot, "images": 2, "engine": "local", "report": None}


@pytest.mark.slow
def test_milvus_that_is_away_fails_the_job_and_the_next_one_goes_on(service, start, picture):
    pytest.importorskip("pymilvus")
    service.add(picture(1), picture(2))
    service.build(clusters=2)
    before = service.parts.current.manifest()
    service.__exit__()
    with start(engine="milvus", milvus_uri=NOWHERE) as again:
        error = again.failed(again.send(asked(Engine.MILVUS)))
        assert error.startswith(f"Milvus at {NOWHERE} doesn't answer")
        assert again.finds_itself(picture(1))
        move = again.parts.index.migrations.load()
        assert move is not None
        assert move.base == before
        # What it moves is not what is searched after a build, so it's forgotten.
        again.parts.index.migrations.still_of(before.model_copy(update={"visual": None}))
        assert again.parts.index.migrations.load() is None


def test_what_a_migration_is_made_of_is_kept_until_it_ends(service, picture):
    service.add(picture(1), picture(2))
    index = service.parts.index
    base = service.parts.current.manifest()
    index.migrations.save(MigrationState(to=Engine.MILVUS, base=base))
    # Ten snapshots later the base is gone from the history, and what it was made of was merged.
    for number in range(3, 16):
        service.add(picture(number))
    assert base.number not in index.snapshots.numbers()
    for file in base.files():
        assert index.segments.path(file).exists()
    index.migrations.end()
    service.build()
    for number in range(16, 28):
        service.add(picture(number))
    assert not any(index.segments.path(file).exists() for file in base.files())


def test_a_damaged_record_fails_no_publication(service, picture, caplog):
    service.add(picture(1))
    folder = service.data / "migration"
    folder.mkdir()
    (folder / "move.json").write_text("{")
    [added] = service.add(picture(2))
    assert added.state is AddState.ADDED
    assert service.finds_itself(picture(2))
    assert "old snapshots are not removed" in caplog.text


def test_a_damaged_record_is_told_by_its_name(tmp_path):
    moves = MigrationStore(tmp_path)
    moves.folder.mkdir()
    (moves.folder / "move.json").write_text("{")
    with pytest.raises(Corrupt, match=r"move\.json is damaged"):
        moves.load()
