"""Id of a picture's content, computed without holding up other requests."""

import anyio.to_thread

from shared.media.identity import content_id

# Hashing this many bytes takes a tenth of a millisecond, less than a change of threads.
_SMALL = 64 * 1024


async def identity_of(data: bytes) -> str:
    """Return the id of a content; a large one is hashed in a thread."""
    if len(data) <= _SMALL:
        return content_id(data)
    return await anyio.to_thread.run_sync(content_id, data)
