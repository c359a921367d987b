import logging

from shared.core.request_id import HEADER
from shared.web import logs


def test_each_request_is_a_line_with_its_id(ask, service, capsys):
    logs.configure("nothing", "info")
    try:
        ask(service(), "GET", "/v1/none", headers={HEADER: "abc-1"})
        ask(service(), "GET", "/health", headers={HEADER: "abc-2"})
    finally:
        logging.basicConfig(level=logging.WARNING, force=True)
    lines = capsys.readouterr().err.splitlines()
    [line] = [line for line in lines if "abc-" in line]
    assert " nothing abc-1 " in line
    assert "GET /v1/none 404 in " in line


def test_no_path_begins_a_line_of_its_own(ask, service, capsys):
    logs.configure("nothing", "info")
    try:
        ask(service(), "GET", "/v1/none%0Aforged%0D", headers={HEADER: "abc-1"})
    finally:
        logging.basicConfig(level=logging.WARNING, force=True)
    [line] = capsys.readouterr().err.splitlines()
    assert "GET /v1/none%0Aforged%0D 404 in " in line


def test_the_servers_own_lines_are_the_services(capsys):
    logs.configure("nothing", "info")
    try:
        # To the root's handler as it is: other tests' servers keep what `uvicorn` logs from it.
        for name in ("uvicorn.error", "shared.part"):
            record = {"name": name, "msg": "Started.", "levelname": "INFO", "levelno": 20}
            logging.getLogger().handle(logging.makeLogRecord(record))
    finally:
        logging.basicConfig(level=logging.WARNING, force=True)
    server, other = capsys.readouterr().err.splitlines()
    assert server.endswith(" nothing - nothing: Started.")
    assert other.endswith(" nothing - shared.part: Started.")
