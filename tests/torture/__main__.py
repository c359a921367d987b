"""`python -m tests.torture`: the whole campaign; one summary line, and a line for each loss."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.torture.campaign import Campaign, embedding


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--random", action="store_true", help="leave the failpoints out")
    parser.add_argument("--full-disks", action="store_true", help="instead, fill the disk")
    asked = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name, embedding(Path(name)) as embedder:
        campaign = Campaign(Path(name), embedder, asked.seed)
        summary = campaign.summary
        if asked.full_disks:
            campaign.at_full_disks()
            for one in summary.not_told:
                print(f"not told: {one}")
            print(f"{summary.full_disks} full disks, {len(summary.losses)} losses")
            return 1 if summary.losses else 0
        if not asked.random:
            campaign.at_each_failpoint()
        while summary.killed < asked.kills:
            campaign.at_random()
            if summary.killed % 20 == 0:
                print(
                    f"{summary.killed} kills, {len(summary.losses)} losses, "
                    f"{len(summary.failures)} failures, {time.monotonic() - started:.0f} s",
                    flush=True,
                )
    for one in summary.not_reached:
        print(f"not reached: {one}")
    print(
        f"{summary.killed} kills ({summary.kills['failpoint']} at failpoints, "
        f"{summary.kills['random']} at random), {len(summary.losses)} losses, "
        f"{len(summary.failures)} failures without a kill, "
        f"{len(summary.not_reached)} failpoints not reached, seed {asked.seed}, "
        f"{time.monotonic() - started:.0f} s"
    )
    return 1 if summary.losses or summary.failures or summary.not_reached else 0


if __name__ == "__main__":
    sys.exit(main())
