"""What an earlier version took in is published, answered and exported; check names it."""

import io
import json
import tarfile
from pathlib import Path

import pytest
from sqlalchemy import text

from services.indexer.care.backup import BackupWriter
from services.indexer.care.check import findings
from services.indexer.care.finding import Kind
from services.indexer.care.folder import opened
from services.indexer.care.repair import ASIDE, Repair
from services.indexer.catalog.database import next_revision
from shared.clients import indexer, query
from shared.contracts.features import FeaturesRequest, ImportRequest
from tests.indexer.running import Service, until

NOWHERE = "http://127.0.0.1:9"


def nested(levels):
    return '{"a":' * levels + "1" + "}" * levels


def add(service, *items):
    request = FeaturesRequest.model_validate({"model": "m", "items": list(items)})
    return service.send(indexer.add_features(request))


ODD = {
    "deep": f'{{"kept": "yes", "deep": {nested(300)}}}',
    "none": '{"kept": "yes", "none": NaN}',
    "half": '{"kept": "yes", "half": "\\ud800"}',
    "big": '{"big": 1' + "0" * 5000 + "}",
    "wide": json.dumps({str(n): n for n in range(300)}),
}


def exported(service, folder: Path) -> Path:
    folder.mkdir()
    with service.client.stream(indexer.export_collection()) as response:
        data = io.BytesIO(b"".join(response.iter_bytes()))
    with tarfile.open(fileobj=data) as tar:
        tar.extractall(folder, filter="data")
    return folder


def write_as_before(database, said):
    """Metadata past every check, as versions before took it."""
    with database.write() as db:
        change = next_revision(db)
        for image_id, metadata in said.items():
            db.execute(
                text("UPDATE images SET metadata = :m, revision = :r WHERE id = :i"),
                {"m": metadata, "r": change, "i": image_id},
            )


@pytest.fixture
def old(tmp_path):
    """A data directory in which images hold what no answer can give."""
    data = tmp_path / "data"
    with Service(data, NOWHERE, embed_attempts=1) as service:
        add(
            service,
            *({"id": i, "vector": [n + 1, 1]} for n, i in enumerate([*ODD, "good"])),
            {"id": "crowded", "vector": [1, 9], "tags": [f"t{n}" for n in range(1000)]},
        )
        write_as_before(service.parts.images.database, ODD)
        with service.parts.images.database.write() as db:
            ordinal = db.execute(text("SELECT ordinal FROM images WHERE id='crowded'")).scalar()
            rows = [{"o": ordinal, "k": f"more{n}"} for n in range(500)]
            db.execute(text("INSERT INTO tags (ordinal, key, tag) VALUES (:o, :k, :k)"), rows)
    return data


def published(service):
    """Return all hits by their ids; none until what was changed is published after a start."""
    answer = service.ask(query.search_vector([1, 1], limit=10))
    hits = {hit.id: hit for hit in answer.hits}
    return hits if hits["wide"].metadata else {}


def whole(hits):
    """Return the hits if nothing is left out of them."""
    return hits if all(hit.notes is None for hit in hits.values()) else {}


def test_a_catalogue_of_an_earlier_version_is_published_answered_and_exported(old, tmp_path):
    with Service(old, NOWHERE, embed_attempts=1) as service:
        hits = until(lambda: published(service))
        assert set(hits) == {*ODD, "good", "crowded"}
        for image_id in ("deep", "none", "half"):
            assert hits[image_id].metadata == {"kept": "yes"}
            assert f"`{image_id}`" in " ".join(hits[image_id].notes or [])
            assert service.send(indexer.get_image(image_id)).metadata == {"kept": "yes"}
        assert len(hits["wide"].metadata) == 300
        assert hits["good"].notes is None
        folder = exported(service, tmp_path / "out")
    lines = (folder / "records.jsonl").read_text().splitlines()
    records = {record["id"]: record for record in map(json.loads, lines)}
    assert records["deep"]["metadata"] == {"kept": "yes"}
    assert records["deep"]["notes"]
    assert "notes" not in records["good"]
    with Service(tmp_path / "new", NOWHERE, embed_attempts=1) as service:
        request = ImportRequest(source=str(folder), build=False)
        job = service.succeeded(service.send(indexer.import_vectors(request)))
        assert job.result["added"] == len(records) - 2
        assert len(service.reasons(job)) == 2, "one has 300 keys, and one over 1,000 tags"


def found_in(data):
    with opened(data, f"sqlite:///{data / 'catalog.sqlite'}") as folder:
        return [finding for finding in findings(folder) if finding.kind is Kind.METADATA]


def test_check_names_what_an_earlier_version_took_and_repair_shortens_it(old):
    [finding] = found_in(old)
    assert "'deep'" in finding.sentence
    assert "5 more images" in finding.sentence
    assert "`ise repair --apply`" in finding.sentence
    assert finding.is_harmless, "else there were no backup of it"
    with opened(old, f"sqlite:///{old / 'catalog.sqlite'}") as folder:
        assert BackupWriter(folder, old.parent / "backup", False).write().images == 7
    url = f"sqlite:///{old / 'catalog.sqlite'}"
    with opened(old, url, migrate=True, alone=True) as folder:
        for deed in Repair(folder).plan():
            if deed.do is not None:
                deed.do()
    assert found_in(old) == []
    [aside] = (old / ASIDE).glob("*.jsonl")
    kept = {one["id"]: one for one in map(json.loads, aside.read_text().splitlines())}
    assert {i: kept[i]["metadata"] for i in ODD} == ODD
    assert len(kept["crowded"]["tags"]) == 1500
    with Service(old, NOWHERE, embed_attempts=1) as service:
        hits = until(lambda: whole(published(service)))
        assert json.loads(hits["deep"].metadata["deep"]) == json.loads(nested(300))
        assert len(hits["wide"].metadata) == 256
        assert len(hits["crowded"].tags) == 1000
