"""`ise import-features`, `export` and `import`, with a real indexer that has no embedder."""

import io
import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from shared.clients import indexer, query
from tests.indexer.running import Service

VECTORS = np.random.default_rng(2).normal(size=(120, 6)).astype(np.float32)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Service]:
    """An indexer on a data folder of this name, which `ise` finds while it runs."""
    monkeypatch.chdir(tmp_path)  # Away from anyone's `.env`.

    @contextmanager
    def start(name: str) -> Iterator[Service]:
        with Service(tmp_path / name, "http://127.0.0.1:9", embed_attempts=1) as service:
            monkeypatch.setenv("ISE_INDEXER_URL", service.url)
            yield service

    return start


def nearest(service: Service, row: int) -> list[tuple[str, float]]:
    hits = service.ask(query.search_vector(VECTORS[row].tolist(), limit=5)).hits
    return [(hit.id, hit.score) for hit in hits]


def test_vectors_go_in_and_the_collection_out_and_in_again(ise, engine, tmp_path):
    np.save("clip.npy", VECTORS)
    records = [{"id": f"p/{n}", "tags": ["even"] * (n % 2 == 0)} for n in range(120)]
    Path("said.jsonl").write_text("\n".join(map(json.dumps, records)))
    with engine("one") as service:
        done = ise(
            *("import-features", "clip.npy", "--ids", "said.jsonl", "--model", "clip"),
            *("--clusters", "4"),
        )
        assert done.code == 0, done.err
        assert "external:clip-6" in done.out
        first = nearest(service, 7)
        assert first[0] == ("p/7", pytest.approx(1, abs=1e-5))
        service.send(indexer.delete_image("p/9"))
        done = ise("export", "out/deep", "--parquet", "--json")
        assert done.code == 0, done.err
        assert (done.json["images"], done.json["clusters"]) == (119, 4)
        assert json.loads(Path("out/deep/tags.json").read_text())["even"][:2] == ["p/0", "p/2"]
        names = {path.name for path in Path("out/deep").iterdir()}
        assert names == {
            *("export.json", "ids.txt", "records.jsonl", "tags.json", "features.npy"),
            *("catalog.csv", "catalog.parquet"),
        }
        again = ise("export", "out/deep")
        assert again.code == 1
        assert "is not empty; name a new folder." in again.err
    with engine("two") as service:
        done = ise("import", "out/deep", "--json")
        assert done.code == 0, done.err
        assert (done.json["kind"], done.json["result"]["clusters"]) == ("import", 4)
        assert nearest(service, 7) == first
        refused = ise("import-features", "clip.npy", "--model", "other", "--no-build")
        assert refused.code == 1
        assert "external:clip-6" in refused.err
        assert "external:other-6" in refused.err


def test_rows_go_by_their_numbers_where_no_ids_are_given(ise, engine):
    np.save("clip.npy", VECTORS)
    with engine("one") as service:
        assert ise("import-features", "clip.npy", "--no-build").code == 0
        assert nearest(service, 7)[0][0] == "7"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("import-features", "none.npy"), "none.npy doesn't exist on the indexer's machine"),
        (("import-features", "text.npy"), "text.npy can't be used: it is not a .npy file"),
        (("import", "text.npy"), "text.npy is not the folder of an export"),
        (("import-features", "text.npy", "--clusters", "some"), "--clusters takes auto or"),
        (("export", "out"), "There are no images of the visual space to export"),
        (("export", "text.npy"), "text.npy"),
    ],
)
def test_what_can_not_be_done_is_told_in_a_sentence(ise, engine, arguments, why):
    Path("text.npy").write_text("some text")
    with engine("one"):
        done = ise(*arguments)
    assert done.code == 1
    assert why in done.err
    assert not Path("out").exists()


def archive_of(**files: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


GOOD = archive_of(**{"export.json": b"{}", "ids.txt": b"a\n" * 5000})


@pytest.mark.parametrize(
    ("sent", "announced"),
    [
        (archive_of(**{"../evil": b"x"}), None),
        (archive_of(**{"/abs/evil": b"x"}), None),
        (archive_of(**{"ids.txt": b"a\n", "evil": b"x"}), None),
        (GOOD[:4000], None),
        (GOOD[:4000], len(GOOD)),
        (GOOD, None),
        (b"no archive at all" * 999, None),
    ],
    ids=["above", "absolute", "unknown", "cut", "broken off", "incomplete", "no archive"],
)
def test_an_archive_that_is_not_ours_is_no_export(
    ise, tmp_path, monkeypatch, sent: bytes, announced: int | None
):
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(announced or len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None: ...

    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        monkeypatch.setenv("ISE_INDEXER_URL", f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        done = ise("export", "out")
        server.shutdown()
        thread.join()
    assert done.code == 1
    assert done.err.strip().endswith((".", "?", "three."))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
