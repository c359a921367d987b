"""What log lines say, in both formats, and what they never say."""

import json
import logging
import threading
import warnings
from collections.abc import Iterator

import pytest

from shared.core.request_id import HEADER
from shared.core.settings import LogFormat
from shared.web import logs


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    hook = threading.excepthook
    yield
    threading.excepthook = hook
    logging.captureWarnings(False)
    logging.basicConfig(level=logging.WARNING, force=True)


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_request_is_an_object_with_its_route_status_and_time(ask, service, capsys):
    logs.configure("nothing", "info", LogFormat.JSON)
    path = "/v1/none?key=hidden-word"
    headers = {
        HEADER: "abc-1",
        "Authorization": "Bearer hidden-word",
        "traceparent": f"00-{'4b' * 16}-{'5c' * 8}-01",
    }
    ask(service(), "GET", path, headers=headers)
    text = capsys.readouterr().err
    assert "hidden-word" not in text
    [line] = [one for one in map(json.loads, text.splitlines()) if one.get("status")]
    assert line.pop("time").endswith("+00:00")
    assert line.pop("ms") >= 0
    assert line == {
        "level": "info",
        "service": "nothing",
        "request_id": "abc-1",
        "logger": "shared.web.metrics",
        "method": "GET",
        "path": "/v1/none",
        "route": "unmatched",
        "status": 404,
        "trace_id": "4b" * 16,
        "message": line["message"],
    }


def test_what_a_record_carries_comes_along_in_both_formats(capsys):
    for form in LogFormat:
        logs.configure("nothing", "info", form)
        logging.getLogger("writes").info("deleted", extra={"image": "abc", "by": "key-1"})
    text, objects = capsys.readouterr().err.splitlines()
    assert text.endswith(" nothing - writes: deleted image=abc by=key-1")
    told = json.loads(objects)
    assert (told["message"], told["image"], told["by"]) == ("deleted", "abc", "key-1")


def test_an_exception_stays_in_its_line(capsys):
    logs.configure("nothing", "info", LogFormat.JSON)
    try:
        raise OSError("two\nlines")
    except OSError:
        logging.getLogger("part").exception("it broke")
    [line] = _lines(capsys)
    assert line["level"] == "error"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("OSError: two\nlines")


def test_warnings_and_the_ends_of_threads_are_lines_too(capsys):
    logs.configure("nothing", "info", LogFormat.JSON)
    logs.take_strays()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        # As `catch_warnings` puts back what shows them.
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    thread = threading.Thread(target=lambda: 1 // 0, name="worker")
    thread.start()
    thread.join()
    warned, ended = _lines(capsys)
    assert warned["logger"] == "py.warnings"
    assert ended["message"] == "the thread worker ended"
    assert "ZeroDivisionError" in ended["exception"]


@pytest.mark.parametrize("form", list(LogFormat))
@pytest.mark.parametrize(
    "said",
    [
        "asked with Authorization: Bearer s3cret-key",
        "could not fetch https://host.example/a.jpg?X-Amz-Signature=s3cret-key&x=1",
        "can't open postgresql+psycopg://user:s3cret-key@host/name",
    ],
)
def test_no_line_shows_a_secret(said, form, capsys):
    logs.configure("nothing", "info", form)
    logging.getLogger("part").error("%s", said, extra={"url": said})
    try:
        raise ValueError(said)
    except ValueError:
        logging.getLogger("part").exception("it broke")
    text = capsys.readouterr().err
    assert "s3cret" not in text
    assert "***" in text
