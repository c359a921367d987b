"""`.env.example` names every setting that a user may need, and no other."""

import re

from services.embedder.config import EmbedderSettings
from services.indexer.config import IndexerSettings
from services.query.config import QuerySettings
from shared.doctor.settings import OTHERS
from tests.e2e.engine import REPOSITORY

TEXT = (REPOSITORY / ".env.example").read_text(encoding="utf-8")


def test_every_setting_of_the_example_is_one() -> None:
    named = re.findall(r"^#ISE_([A-Z_]+)=", TEXT, re.MULTILINE)
    kinds = (EmbedderSettings, IndexerSettings, QuerySettings)
    known = {name.upper() for kind in kinds for name in kind.model_fields}
    assert set(named) <= known
    assert len(named) == len(set(named))


def test_what_errors_name_is_in_the_example() -> None:
    sources = [p for top in ("services", "shared") for p in (REPOSITORY / top).rglob("*.py")]
    named = {name for p in sources for name in re.findall(r"ISE_[A-Z_]+[A-Z]", p.read_text())}
    assert {name for name in named if name not in TEXT} <= OTHERS
