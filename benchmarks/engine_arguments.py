"""Arguments of the benchmark of engines, apart from what it imports."""

import argparse
import os
from pathlib import Path


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `engines`."""
    both = commands.add_parser("engines", help="Milvus beside the local engine")
    both.add_argument("--rows", type=int, default=20_000)
    both.add_argument("--dim", type=int, default=256)
    both.add_argument("--queries", type=int, default=300)
    both.add_argument("--index-types", nargs="+", default=["IVF_FLAT", "IVF_SQ8"])
    both.add_argument("--vectors", type=Path, help="real ones of a folder, instead of drawn ones")
    both.add_argument("--uri", default="", help="a Milvus server; by default Milvus Lite's")
    both.add_argument(
        "--python",
        default=os.environ.get("ISE_MILVUS_PYTHON", ""),
        help="starts the server of the package `milvus`, which this interpreter has",
    )
    both.add_argument(
        "--quick", action="store_true", help="Milvus at set numbers of lists, with no curve"
    )
