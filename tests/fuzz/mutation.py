"""Files that were damaged at random, the same for the same seed."""

import random
import re
from collections.abc import Iterator

_EXTREMES = (
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\0\0\0\x10",
    b"\xff\xff\xff\x7f",
)
_NUMBERS = (b"0", b"-1", b"1152921504606846976", b"99999999999999999999", b"1e999", b"NaN")


def mutants(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """So many damaged copies of a file."""
    rng = random.Random(seed)
    for _ in range(count):
        changed = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            rng.choice(_WAYS)(changed, rng)
        yield bytes(changed)


def _place(data: bytearray, rng: random.Random) -> int:
    """Headers are small and matter most."""
    return rng.randrange(min(len(data), rng.choice((64, 512, len(data) or 1))) or 1)


def _flip(data: bytearray, rng: random.Random) -> None:
    if data:
        data[_place(data, rng)] ^= 1 << rng.randrange(8)


def _overwrite(data: bytearray, rng: random.Random) -> None:
    at = _place(data, rng)
    data[at : at + 4] = rng.choice(_EXTREMES)


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[_place(data, rng) :]


def _drop(data: bytearray, rng: random.Random) -> None:
    at = _place(data, rng)
    del data[at : at + rng.randint(1, 64)]


def _repeat(data: bytearray, rng: random.Random) -> None:
    at = _place(data, rng)
    data[at:at] = data[at : at + rng.randint(1, 64)] * rng.randint(1, 8)


def _noise(data: bytearray, rng: random.Random) -> None:
    at = _place(data, rng)
    data[at:at] = rng.randbytes(rng.randint(1, 32))


def _number(data: bytearray, rng: random.Random) -> None:
    """In the place of one that is written out: a count of rows, a length."""
    found = list(re.finditer(rb"\d+", data[:4096]))
    if found:
        place = rng.choice(found)
        data[place.start() : place.end()] = rng.choice(_NUMBERS)


_WAYS = (_flip, _flip, _overwrite, _cut, _drop, _repeat, _noise, _number)
