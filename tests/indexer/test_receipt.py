"""Receipt of a model change: what is expected of it beforehand, and what came."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.clients import embedder as embedders
from shared.clients import indexer, judgements, query
from shared.clients.transport import Client
from shared.contracts.indexer import ReembedRequest
from shared.contracts.judgements import JudgedSearch, JudgementRequest
from shared.contracts.model_change import ModelChange
from shared.media.identity import content_id

TAGS, OF_EACH = 9, 4


@pytest.fixture
def models(embedder: Any, other_embedder: Any) -> tuple[str, str]:
    """The fingerprints of the former and of the new model."""
    found = []
    for one in (embedder, other_embedder):
        with Client(one.url) as client:
            found.append(client.send(embedders.list_models()).visual.fingerprint)
    return found[0], found[1]


@pytest.fixture
def both(embedder: Any, other_embedder: Any, tmp_path: Path) -> str:
    for one in (embedder, other_embedder):
        one.mount(tmp_path / "data")
    return f"{embedder.url},{other_embedder.url}"


@pytest.fixture
def tagged(folder_of: Callable[..., Path]) -> Path:
    return folder_of({f"tag{n % TAGS}/{n}.png": n for n in range(TAGS * OF_EACH)})


def receipt_of(job: Any) -> ModelChange:
    return ModelChange.model_validate(job.result["receipt"])


def test_a_change_tells_what_it_expects_and_then_what_came(
    service_at: Any, tmp_path: Path, both: str, tagged: Path, models: tuple[str, str]
) -> None:
    with service_at(tmp_path / "data", both) as service:
        service.ingest(tagged)
        before = service.ask(query.get_stats())
        trial = service.succeeded(service.send(indexer.reembed_index(ReembedRequest(dry_run=True))))
        told = receipt_of(trial)
        assert (told.former, told.new) == models
        assert (told.pictures, told.sample, told.came) == (36, 36, None)
        assert trial.dry_run
        assert told.seconds is not None
        assert told.disk_bytes > 36 * 1024
        assert told.expected is not None
        assert told.expected.low <= told.expected.change <= told.expected.high
        # Nothing changed by that.
        assert service.ask(query.get_stats()).snapshot == before.snapshot

        # The job names both; what was embedded for the trial is not embedded again.
        rows = rows_of(tmp_path / "data", models[1])
        done = service.succeeded(service.send(indexer.reembed_index(ReembedRequest())))
        whole = receipt_of(done)
        assert rows_of(tmp_path / "data", models[1]) == rows == 36
        assert whole.expected == told.expected
        assert whole.came is not None
        assert whole.came.change == pytest.approx(whole.came.after - whole.came.before)
        assert whole.came.searches == 36
        assert receipt_of(service.send(indexer.get_job(done.id))) == whole


def test_without_tags_agreement_is_told_and_that_no_more_can_be(
    service_at: Any, tmp_path: Path, both: str, folder_of: Callable[..., Path]
) -> None:
    source = folder_of({f"{n}.png": n for n in range(24)})
    with service_at(tmp_path / "data", both) as service:
        service.ingest(source, tags_from="none")
        trial = ReembedRequest(dry_run=True)
        told = receipt_of(service.succeeded(service.send(indexer.reembed_index(trial))))
        assert (told.expected, told.judged) == (None, None)
        assert 0 <= told.agreement <= 1
        assert "nobody can tell which model is better" in (told.note or "")

        # Judgements tell a little.
        ids = [content_id(path.read_bytes()) for path in sorted(source.glob("*.png"))]
        for place, hit in enumerate(ids[1:13]):
            said = JudgementRequest(search=JudgedSearch(id=ids[0]), id=hit, right=place % 2 == 0)
            service.send(judgements.judge(said))
        told = receipt_of(service.succeeded(service.send(indexer.reembed_index(trial))))
        assert told.judged is not None
        assert told.judged.pairs == 36
        assert 0 <= told.judged.former <= 1
        assert "hits of the former model" in (told.note or "")


def rows_of(data: Path, fingerprint: str) -> int:
    """Rows of all shards of features."""
    shards = (data / "features" / fingerprint).glob("0*.npy")
    return sum(len(np.load(path)) for path in shards)
