"""Health check of a container: `python -m shared.web.probe PORT`; 0 when the service can serve."""

import os
import sys

import httpx


def main() -> int:
    url = f"http://127.0.0.1:{sys.argv[1]}/ready"
    try:
        answer = httpx.get(url, timeout=4, trust_env=False)
    except httpx.TransportError as error:
        sys.stderr.write(f"{url}: {error}{os.linesep}")
        return 1
    if not answer.is_success:
        sys.stderr.write(answer.text + os.linesep)
    return 0 if answer.is_success else 1


if __name__ == "__main__":
    sys.exit(main())
