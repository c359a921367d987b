"""The blocks of docs/API.md run one after the other, as it says."""

import re
from pathlib import Path

import pytest

from tests.docs.blocks import blocks_of, environment, needs_programs, run, script_of
from tests.e2e.conftest import Start
from tests.e2e.engine import REPOSITORY


@pytest.mark.slow
@pytest.mark.timeout(1200)
@needs_programs
def test_every_block_runs(start: Start, home: Path) -> None:
    pictures = home / "Pictures"
    with start() as engine:
        env = environment(
            PICTURES=str(pictures),
            PICTURE=str(next(pictures.glob("tree/*.jpg"))),
            QUERY=engine.group.url("query"),
            INDEXER=engine.group.url("indexer"),
        )
        output = run(script_of(blocks_of(REPOSITORY / "docs" / "API.md")), REPOSITORY, env)
    lines = output.splitlines()
    assert '["tag",["favourite","tree"]]' in lines
    assert '["semantic",3]' in lines
    assert '["loved"]' in lines
    assert any("roll-back to snapshot" in line for line in lines)
    assert '[409,"urn:ise:problem:fingerprint-mismatch","external:mine-2"]' in lines
    assert any(re.fullmatch(r'\{"rows":\d+,"added":0,"failed":0\}', line) for line in lines)
    assert any(line.startswith("[422,") for line in lines)
