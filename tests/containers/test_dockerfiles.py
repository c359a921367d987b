"""The Dockerfiles: what is installed before the code is copied."""

import shutil
import subprocess
import sysconfig
import tomllib
from pathlib import Path

import pytest

from shared.core.version import VERSION
from tests.e2e.engine import REPOSITORY


@pytest.mark.parametrize("service", ["embedder", "indexer", "query"])
def test_version_is_there_before_the_install_reads_it(service: str) -> None:
    lines = (REPOSITORY / "services" / service / "Dockerfile").read_text().splitlines()
    copied = lines.index("COPY shared/core/version.py shared/core/")
    installed = next(number for number, line in enumerate(lines) if f'".[{service},' in line)
    assert copied < installed


def test_version_is_written_in_one_place() -> None:
    described = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    assert described["project"]["dynamic"] == ["version"]
    assert "version" not in described["project"]
    module, _, name = described["tool"]["setuptools"]["dynamic"]["version"]["attr"].rpartition(".")
    path = REPOSITORY / f"{module.replace('.', '/')}.py"
    assert f'{name} = "{VERSION}"' in path.read_text()


@pytest.mark.parametrize("service", ["indexer", "query"])
def test_images_compile_the_search_as_the_package_does(service: str) -> None:
    text = (REPOSITORY / "services" / service / "Dockerfile").read_text()
    described = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    (module,) = described["tool"]["setuptools"]["ext-modules"]
    macros = [f"-D{name}={value}" for name, value in module["define-macros"]]
    command = next(line for line in text.splitlines() if line.startswith("RUN gcc"))
    assert set(module["extra-compile-args"] + macros) <= set(command.split())
    folder = module["sources"][0].rpartition("/")[0]
    assert f"COPY {folder} /native" in text.splitlines()
    in_folder = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / folder).glob("*.c")}
    assert set(module["sources"]) == in_folder


def test_the_search_compiles_for_arm64(tmp_path: Path) -> None:
    if (compiler := shutil.which("aarch64-linux-gnu-gcc")) is None:
        pytest.skip("needs aarch64-linux-gnu-gcc, of Debian's package gcc-aarch64-linux-gnu")
    described = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    (module,) = described["tool"]["setuptools"]["ext-modules"]
    macros = [f"-D{name}={value}" for name, value in module["define-macros"]]
    told = subprocess.run(
        [
            *(compiler, "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror"),
            *(*module["extra-compile-args"], *macros, f"-I{sysconfig.get_path('include')}"),
            *(*module["sources"], "-o", str(tmp_path / "_native.abi3.so")),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr


@pytest.mark.parametrize("service", ["embedder", "indexer", "query"])
def test_all_that_an_image_copies_is_sent_to_the_build(service: str) -> None:
    lines = (REPOSITORY / "services" / service / "Dockerfile").read_text().splitlines()
    sent = {
        line.removeprefix("!")
        for line in (REPOSITORY / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copies = [line.split()[1:-1] for line in lines if line.startswith("COPY ")]
    # What comes from another stage isn't sent.
    copied = [path for paths in copies if not paths[0].startswith("--") for path in paths]
    assert "NOTICE" in copied
    for path in copied:
        assert (REPOSITORY / path).exists(), path
        assert path.split("/")[0] in sent, path
