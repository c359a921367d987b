"""Passes connections on to a server, each answer so many milliseconds late: a distant server.

python -m benchmarks.relay URL PORT MILLISECONDS
"""

import asyncio
import sys
from urllib.parse import urlsplit


async def relay(url: str, port: int, delay_s: float) -> None:
    """Runs until it's ended."""
    there = urlsplit(url)

    async def passed(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pause: float
    ) -> None:
        try:
            while data := await reader.read(2**16):
                await asyncio.sleep(pause)
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(there.hostname, there.port)
        await asyncio.gather(passed(reader, far_writer, delay_s), passed(far_reader, writer, 0.0))

    server = await asyncio.start_server(accepted, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(relay(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1000))
