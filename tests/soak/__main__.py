"""`python -m tests.soak`: everything at once for MINUTES; a line a round, then what rose."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.soak.run import ROUND_S, soaking


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    started = time.monotonic()
    rounds = max(6, round(asked.minutes * 60 / ROUND_S))
    with tempfile.TemporaryDirectory() as folder:
        told = soaking(Path(folder), rounds, ROUND_S, asked.seed)
    for sentence in (*told.failures, *told.rises):
        print(sentence)
    done = ", ".join(f"{count} {name}" for name, count in sorted(told.done.items()))
    print(
        f"{done}; {len(told.failures)} failed, {len(told.rises)} rose, "
        f"{time.monotonic() - started:.0f} s"
    )
    return 1 if told.failures or told.rises else 0


if __name__ == "__main__":
    sys.exit(main())
