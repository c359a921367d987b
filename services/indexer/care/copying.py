"""Copies files that never change, durably, and leaves those alone that are there already."""

import os
import shutil
from pathlib import Path

from shared.files import durable, sums


def take(source: Path, target: Path, link: bool = False) -> bool:
    """Copy a file where needed and return whether it was. Raises FileNotFoundError where the source
    is gone.

    `link`: as a second name of the same bytes, where both are on one disk.
    """
    size = source.stat().st_size
    kept = sums.read(source)
    if target.exists() and target.stat().st_size == size and sums.read(target) == kept:
        return False
    with durable.publishing(target) as temporary:
        if link:
            os.link(source, temporary)
        else:
            shutil.copyfile(source, temporary)
        if kept is not None:
            sums.write(target, kept)
    return True
