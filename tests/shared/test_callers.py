"""Callers as one service names them to another."""

import pytest

from shared.web.callers import Caller, naming_caller, original_caller, remember
from shared.web.keys import ALL, Scope


def asked_by(label, scopes=ALL, headers=()):
    connection = {
        "type": "http",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
    }
    remember(connection, Caller(label, frozenset(scopes), "192.0.2.7"))
    return connection


@pytest.mark.parametrize(("label", "name"), [("kiosk", "key kiosk"), (None, "address 192.0.2.7")])
def test_a_service_tells_another_whom_it_asks_for(label, name):
    given = naming_caller(asked_by(label, {Scope.READ}))
    assert original_caller(asked_by("ISE_API_KEY", headers=given.items())) == name
    assert original_caller(asked_by("ISE_API_KEY")) == "key ISE_API_KEY"


@pytest.mark.parametrize("scopes", [{Scope.READ}, {Scope.WRITE}, set()])
def test_who_may_not_do_everything_is_taken_for_nobody_else(scopes):
    given = naming_caller(asked_by("office"))
    assert original_caller(asked_by("kiosk", scopes, given.items())) == "key kiosk"
