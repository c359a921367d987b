"""`python -m tests.fuzz`: asks the services at length; what is wrong, and one line a service."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.campaign import SERVICES, outcomes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--services", nargs="+", choices=SERVICES, default=SERVICES)
    asked = parser.parse_args()
    faults = 0
    with tempfile.TemporaryDirectory() as name:
        started = time.monotonic()
        for outcome in outcomes(Path(name), asked.examples, asked.seed, asked.services):
            faults += len(outcome.faults)
            if outcome.faults:
                print(outcome.told, *outcome.faults, sep="\n")
            seconds = time.monotonic() - started
            print(f"{outcome.service}: {len(outcome.faults)} faults after {seconds:.0f} s")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
