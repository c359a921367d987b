"""The wheel as a user installs it: from a source distribution, into an empty environment."""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import venv
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from demo.sample import draw_sample
from shared.core.version import VERSION
from tests.docs.blocks import blocks_of
from tests.e2e.engine import REPOSITORY
from tests.ports import free_port

pytestmark = pytest.mark.slow

_SOURCES = ("services", "shared", "image_search", "demo", "docs")
_FILES = ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md")
_HOUSE = ("constraints.txt", ".env.example")


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=env or clean_environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def clean_environment(**changes: str) -> dict[str, str]:
    """This process's environment without anything that leads back to the checkout."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ISE_", "PYTHON", "PYTEST"))}
    return {**kept, "ISE_OCR": "off", **changes}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the source distribution, whose build leaves the checkout as it is."""
    folder = tmp_path_factory.mktemp("build")
    tree = folder / "tree"
    tree.mkdir()
    skipped = shutil.ignore_patterns("__pycache__", "*.egg-info", "images", "benchmarks")
    for name in _SOURCES:
        shutil.copytree(REPOSITORY / name, tree / name, ignore=skipped)
    for name in (*_FILES, *_HOUSE):
        shutil.copyfile(REPOSITORY / name, tree / name)
    build = "import sys, setuptools.build_meta as b; print(getattr(b, sys.argv[1])(sys.argv[2]))"
    run(sys.executable, "-c", build, "build_sdist", folder, cwd=tree)
    (archive,) = folder.glob("*.tar.gz")
    shutil.unpack_archive(archive, folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    run(sys.executable, "-c", build, "build_wheel", folder, cwd=unpacked)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, and what it needs from where the tests have it.

    A path in a `.pth` file reads no other `.pth` files there, so the checkout stays out.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    scheme = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", scheme="venv", vars=scheme))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    made = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", made, "install", "--quiet")
    # The dependencies of the extra are resolved, from what is installed: a missing one fails.
    run(*pip, "--no-index", "--no-warn-conflicts", f"{wheel}[all]", cwd=folder)
    return made


def test_the_wheel_has_everything_that_is_read_from_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    assert {"image_search/py.typed", "shared/py.typed", "services/py.typed"} <= packed
    for folder in ("services/query/page", "services/embedder/assets"):
        files = {
            str(path.relative_to(REPOSITORY))
            for path in (REPOSITORY / folder).rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        }
        assert files
        assert files <= packed
    modules = {
        str(path.relative_to(REPOSITORY))
        for name in ("services", "shared", "image_search", "demo")
        for path in (REPOSITORY / name).rglob("*.py")
    }
    assert modules <= packed
    assert "shared/engines/ivf/_native.abi3.so" in packed
    # One wheel for each platform serves this Python and all later ones.
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    assert wheel.name.endswith(f"-cp311-abi3-{platform}.whl")
    assert not [name for name in packed if name.startswith(("tests/", "training/", "benchmarks/"))]


def test_the_installed_engine_ingests_and_searches(python: Path, tmp_path: Path) -> None:
    sample = draw_sample(tmp_path / "pictures", count=24, seed=5)
    ports = {f"ISE_{name}_PORT": str(free_port()) for name in ("QUERY", "INDEXER", "EMBEDDER")}
    env = clean_environment(
        **ports,
        ISE_PROFILE="mini",
        ISE_DATA_DIR=str(tmp_path / "data"),
        PATH=f"{python.parent}:{os.environ['PATH']}",
    )
    (tmp_path / "use.py").write_text(
        "import image_search, json, shared, sys\n"
        "with image_search.Client(sys.argv[1]) as engine:\n"
        "    (tag,) = engine.tags(limit=1).tags\n"
        "    answer = engine.search(term=tag.tag, limit=3)\n"
        "    similar = engine.search(image=engine.file(answer.hits[0].id))\n"
        "print(json.dumps([shared.__file__, image_search.__version__, answer.mode,\n"
        "                  answer.hits[0].id == similar.hits[0].id]))\n"
    )

    def ise(*arguments: str) -> str:
        return run("ise", *arguments, cwd=tmp_path, env=env)

    assert ise("--version") == f"ise {VERSION}\n"
    url = f"http://127.0.0.1:{ports['ISE_QUERY_PORT']}"
    with serving(tmp_path, env, [f"http://127.0.0.1:{port}" for port in ports.values()]):
        job = json.loads(ise("ingest", str(sample), "--json"))
        assert (job["state"], job["result"]["images"]) == ("succeeded", 24)
        shown = json.loads(
            ise("search", "--image", str(next(sample.parent.rglob("*.jpg"))), "--json")
        )
        assert shown["hits"][0]["score"] > 0.99
        assert "<main" in httpx.get(url, follow_redirects=True).text
        used = run("python", "use.py", url, cwd=tmp_path, env=env)
        block = next(b for b in blocks_of(REPOSITORY / "README.md") if b.language == "python")
        named = {**env, "ISE_QUERY_URL": url}
        printed = run("python", "-c", block.text, cwd=tmp_path, env=named)
        assert len(printed.splitlines()) == 3
        home, version, mode, same = json.loads(used)
        assert Path(home).is_relative_to(python.parents[1])
        assert (version, mode, same) == (VERSION, "tag", True)


@contextmanager
def serving(folder: Path, env: dict[str, str], urls: Sequence[str]) -> Iterator[None]:
    """Run `ise up` until the block ends."""
    log = folder / "up.log"
    with log.open("w") as out:
        up = subprocess.Popen(["ise", "up"], cwd=folder, env=env, stdout=out, stderr=out)
    try:
        end = time.monotonic() + 120
        while not all(map(_ready, urls)):
            assert up.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        yield
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait(60)


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready").is_success
    except httpx.TransportError:
        return False
