"""What services answered in tests, against what their OpenAPI says that they answer."""

import re

from fastapi import FastAPI

from services.embedder.batching.disconnects import CLIENT_CLOSED_REQUEST

_UNSEEN = str(CLIENT_CLOSED_REQUEST)


def check(app: FastAPI) -> None:
    """Fails where a route answered with a status that its OpenAPI doesn't tell of."""
    paths = app.openapi()["paths"]
    undeclared = set()
    for sample in app.state.metrics.requests.collect()[0].samples:
        labels = sample.labels
        path = re.sub(r":path}", "}", labels.get("route", ""))
        operation = paths.get(path, {}).get(labels.get("method", "").lower())
        if operation and labels["status"] not in {*operation["responses"], _UNSEEN}:
            undeclared.add((labels["method"], path, labels["status"]))
    assert not undeclared, f"not in their routes' `responses`: {sorted(undeclared)}"
