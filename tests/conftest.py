"""What every test stands on."""

import signal


def pytest_configure() -> None:
    """Takes Ctrl-C again where a shell's `&` had it ignored: the programs under test inherit it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
