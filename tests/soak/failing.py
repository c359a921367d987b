"""Clients that do everything wrong: they hang up, trickle, stall, or send what isn't HTTP."""

import random
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

_PIECES, _PAUSE_S = 6, 0.3
_LARGE = 16 * 2**20
_FORM = b"multipart/form-data; boundary=x"
_PART = b'--x\r\nContent-Disposition: form-data; name="%b"; filename="f"\r\n\r\n'
UPLOADS = {
    "query": (b"/v1/search/image", b"file"),
    "indexer": (b"/v1/images", b"files"),
    "embedder": (b"/v1/embed/images", b"files"),
}
"""A call of each service that takes a large body, and the name of its field."""

Fail = Callable[[socket.socket, str, random.Random, threading.Event], None]


def fail(port: int, service: str, dice: random.Random, ended: threading.Event) -> None:
    """Fail in one of the ways; returns once the connection is closed."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as connection:
        dice.choice(_WAYS)(connection, service, dice, ended)


def _head(service: str, size: int) -> bytes:
    path, field = UPLOADS[service]
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
    return head % (path, _FORM, size) + _PART % field


def _hang_up(
    connection: socket.socket, service: str, dice: random.Random, _: threading.Event
) -> None:
    """Reset the connection in the middle of a body."""
    connection.sendall(_head(service, _LARGE) + dice.randbytes(dice.randrange(2**18)))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _trickle(
    connection: socket.socket, service: str, dice: random.Random, ended: threading.Event
) -> None:
    """Send a body by some bytes at a time, then leave."""
    connection.sendall(_head(service, _LARGE))
    for _ in range(_PIECES):
        if ended.wait(_PAUSE_S):
            return
        connection.sendall(dice.randbytes(200))


def _read_nothing(
    connection: socket.socket, service: str, dice: random.Random, ended: threading.Event
) -> None:
    """Ask again and again, and read no answer."""
    connection.settimeout(_PAUSE_S)
    for _ in range(_PIECES):
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 4)
    ended.wait(_PAUSE_S)


def _garbage(
    connection: socket.socket, service: str, dice: random.Random, _: threading.Event
) -> None:
    connection.sendall(dice.randbytes(500) + b"\r\n\r\n")
    connection.recv(1024)


def _stall(
    connection: socket.socket, service: str, dice: random.Random, ended: threading.Event
) -> None:
    """Begin a head, and send no more."""
    connection.sendall(b"GET /v1/stats HTTP/1.1\r\nHost: loc")
    ended.wait(_PIECES * _PAUSE_S)


def _broken_picture(
    connection: socket.socket, service: str, dice: random.Random, _: threading.Event
) -> None:
    """Send a form whose file is no picture, and wait for what is said of it."""
    data = b"\xff\xd8\xff\xe0" + dice.randbytes(5000)
    body = _PART % UPLOADS[service][1] + data + b"\r\n--x--\r\n"
    head = _head(service, len(body))[: -len(_PART % UPLOADS[service][1])]
    connection.sendall(head + body)
    connection.settimeout(60)
    connection.recv(1024)


_WAYS: tuple[Fail, ...] = (
    _hang_up,
    _trickle,
    _read_nothing,
    _garbage,
    _stall,
    _broken_picture,
)
