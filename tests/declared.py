"""What services answered in tests, against what their OpenAPI says that they answer."""

import re
from typing import Any

from fastapi import FastAPI

from shared.core.problem import CLIENT_CLOSED_REQUEST

_documents: dict[str, dict[str, Any]] = {}
_UNSEEN = str(CLIENT_CLOSED_REQUEST)


def check(app: FastAPI) -> None:
    """Fails where a route answered with a status that its OpenAPI doesn't tell of."""
    paths = _paths(app)
    undeclared = set()
    for sample in app.state.metrics.requests.collect()[0].samples:
        labels = sample.labels
        path = re.sub(r":path}", "}", labels.get("route", ""))
        operation = paths.get(path, {}).get(labels.get("method", "").lower())
        if operation and labels["status"] not in {*operation["responses"], _UNSEEN}:
            undeclared.add((labels["method"], path, labels["status"]))
    assert not undeclared, f"not in their routes' `responses`: {sorted(undeclared)}"


def _paths(app: FastAPI) -> dict[str, Any]:
    """Return the operations of an app's OpenAPI, written once for all apps of a service."""
    if app.title not in _documents:
        _documents[app.title] = app.openapi()["paths"]
    return _documents[app.title]
