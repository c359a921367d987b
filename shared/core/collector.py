"""Python's collector of cyclic garbage, which by itself looks at all objects of a process."""

import gc

_COLLECT_AFTER = 20_000
"""Objects made since the last look for cyclic garbage."""


def collect_less() -> None:
    """Look for cyclic garbage less often, and not among what was there at the start.

    A request makes hundreds of objects that go without it; looking took a tenth of a short one, and
    a half of the time in which a build writes the images' records.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])
