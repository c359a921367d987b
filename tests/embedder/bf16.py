"""Mark of the tests that need a processor with bf16."""

import pytest

from services.embedder.engines import processor
from services.embedder.engines.eager import CPU
from services.embedder.engines.engine_options import Precision

with_bf16 = pytest.mark.skipif(
    Precision.MIXED not in processor.precisions(CPU), reason="this processor has no bf16"
)
