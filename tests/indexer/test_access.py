"""What callers may not reach by the indexer: folders outside the roots, paths by a file's name."""

import json
import logging
import re
from pathlib import Path

import pytest

from services.indexer.config import IndexerSettings
from services.indexer.container import Container
from services.indexer.embedding.registry import Embedders
from shared.contracts.indexer import AddState


def test_a_confined_ingest_is_kept_to_the_roots_also_on_loopback(start, folder_of, tmp_path):
    inside, outside = folder_of({"a.png": 0}, "inside"), folder_of({"b.png": 1}, "outside")
    with start(ingest_roots=[inside]) as service:

        def ask(source, **more):
            return service.http.post("/v1/ingest", json={"source": str(source), **more})

        refused = ask(outside, confined=True)
        assert refused.status_code == 403
        assert "ISE_INGEST_ROOTS" in refused.json()["detail"]
        # A manifest is looked into by the job, which knows what was asked.
        (inside / "list.csv").write_text(f"path\n{outside / 'b.png'}\n")
        job = service.ingest(inside / "list.csv", confined=True, build=False)
        [reason] = service.reasons(job).values()
        assert "ISE_INGEST_ROOTS" in reason
        assert service.parts.images.count() == 0
        assert service.ingest(inside, confined=True, build=False, tags_from="none").result
        # Whoever is on this machine may name any.
        service.ingest(outside, build=False)
        assert service.http.get("/v1/stats").json()["images"] == 2


@pytest.mark.parametrize(
    ("settings", "anywhere"),
    [
        ({}, True),
        ({"host": "0.0.0.0", "api_key": "k"}, False),  # noqa: S104
        ({"host": "0.0.0.0", "allow_open": True}, False),  # noqa: S104
        ({"allowed_hosts": ["pictures.example"], "api_key": "k"}, False),
    ],
)
def test_any_folder_may_be_named_by_this_machine_alone(tmp_path, settings, anywhere):
    given = IndexerSettings(_env_file=None, data_dir=tmp_path / "data", **settings)
    parts = Container(given, Embedders([]))
    try:
        assert (parts.ingest_roots.of(confined=False) is None) is anywhere
        assert parts.ingest_roots.of(confined=True) == []
    finally:
        parts.database.close()
        parts._lock.release()


NAMES = [
    "../../../../escaped.png",
    "/escaped.png",
    "..\\..\\escaped.png",
    "C:\\escaped.png",
    "a/b/../../escaped.png",
    ".",
    "..",
    "CURRENT",
    "catalog.sqlite",
    "escaped.png/",
    "x" * 1000,
    "\u202egnp.exe",
    "a\rb",
]


def test_no_name_of_an_upload_becomes_a_path(service, picture, tmp_path):
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    items = service.add(*[(name, picture(seed)) for seed, name in enumerate(NAMES)])
    assert {item.state for item in items} == {AddState.ADDED}
    new = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    uploads = service.data / "images" / "uploads"
    kept = [path for path in new if path.is_relative_to(uploads)]
    assert len(kept) == len(NAMES)
    assert all(re.fullmatch(r"[0-9a-f]{64}-[0-9a-f]{16}", path.name) for path in kept)
    # What else is new is the index; no name of an upload is in any path.
    assert not [path for path in new if "escaped" in str(path) or "gnp" in str(path)]
    assert not Path("/escaped.png").exists()
    for item in items:
        uri = service.http.get(f"/v1/images/{item.id}").json()["uris"][0]
        assert "/" not in uri
        assert "\\" not in uri
        assert service.http.get(f"/v1/images/{item.id}/file").status_code == 200


@pytest.mark.parametrize("image_id", ["../../../catalog.sqlite", "/etc/passwd", "..", "%2e%2e/x"])
def test_no_id_is_a_path(service, image_id):
    for end in ("", "/file", "/thumbnail"):
        quoted = image_id.replace("/", "%2F").replace(".", "%2E")
        assert service.http.get(f"/v1/images/{quoted}{end}").status_code == 404


def test_ids_of_ones_own_are_no_paths(service, tmp_path):
    ids = ["../../escaped", "/escaped", "..", "a/../../b"]
    items = [{"id": one, "vector": [1.0, n], "uris": ["/etc/passwd"]} for n, one in enumerate(ids)]
    taken = service.http.post("/v1/features", json={"model": "mine", "items": items})
    assert taken.status_code == 200, taken.text
    assert not list(tmp_path.rglob("*escaped*"))
    for one in ids:
        quoted = one.replace("/", "%2F").replace(".", "%2E")
        # A uri that came beside a vector is no file of this machine.
        assert service.http.get(f"/v1/images/{quoted}/file").status_code == 404
        assert service.http.get(f"/v1/images/{quoted}/thumbnail").status_code == 404


def test_the_log_of_writes_names_ids_and_jobs_but_nothing_of_a_picture(service, picture, caplog):
    caplog.set_level(logging.INFO, "shared.web.write_log")
    data = picture(0)
    added = service.add(("secret-name.png", data), ("none.png", b"none"), tags=["secret-tag"])
    image_id = added[0].id
    service.http.patch(f"/v1/images/{image_id}", json={"tags": ["secret-tag"]})
    job = service.http.post("/v1/index/build", json={}).json()["id"]
    service.http.delete(f"/v1/images/{image_id}")
    written = [record.write for record in caplog.records if hasattr(record, "write")]
    # The embedder's own line, of the build's training, comes when it comes.
    told = [line for line in written if line["action"] != "train"]
    keys = ("action", "status", "ids", "failed", "job")
    assert [{key: line[key] for key in keys if key in line} for line in told] == [
        {"action": "add_images", "status": 200, "ids": [image_id], "failed": 1},
        {"action": "patch_image", "status": 200, "ids": [image_id]},
        {"action": "build_index", "status": 202, "job": job},
        {"action": "delete_image", "status": 200, "ids": [image_id]},
    ]
    assert "secret" not in json.dumps(written)
