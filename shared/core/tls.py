"""The certificates that clients trust."""

import functools
import ssl

import httpx


@functools.cache
def trusted() -> ssl.SSLContext:
    """Return the context that all clients of a process share.

    httpx makes one for each client, which reads all certificates: 20 ms and more, in the loop.
    """
    return httpx.create_ssl_context(trust_env=False)
