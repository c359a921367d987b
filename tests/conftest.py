"""What every test stands on."""

import os
import signal


def pytest_configure() -> None:
    """Has services run the small network unless a test says otherwise: most are not about models.

    Takes Ctrl-C again where a shell's `&` had it ignored: the programs under test inherit it."""
    os.environ.setdefault("ISE_PROFILE", "mini")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
