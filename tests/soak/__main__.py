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
    seconds = asked.minutes * 60
    rounds = max(6, round(seconds / ROUND_S))
    with tempfile.TemporaryDirectory() as folder:
        told = soaking(Path(folder), rounds, ROUND_S, asked.seed, seconds)
    for sentence in (*told.failures, *told.rises, *told.server_errors):
        print(sentence)
    done = ", ".join(f"{count} {name}" for name, count in sorted(told.done.items()))
    print(
        f"{done}; {len(told.failures)} failed, {len(told.rises)} rose, "
        f"{len(told.server_errors)} kinds of 5xx, "
        f"{time.monotonic() - started:.0f} s"
    )
    return 1 if told.failures or told.rises or told.server_errors else 0


if __name__ == "__main__":
    sys.exit(main())
