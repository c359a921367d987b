"""Identity of what decodes pictures: what can't be read by one may be read by another."""

from importlib.metadata import PackageNotFoundError, version

VERSION = 1
"""Of this project's own readers of pictures: raise it when they read more files than before."""
_PACKAGES = ("pillow", "pillow-heif", "rawpy", "imagecodecs", "av")


def decoders(*limits: float) -> str:
    """Return the versions of all decoders, and the limits that pictures are decoded within."""
    found = [str(VERSION)]
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return "; ".join([*found, *(f"{limit:g}" for limit in limits)])
