"""OpenAPI links: calls that can follow with an id from an answer."""

from typing import Any

Responses = dict[int | str, dict[str, Any]]


def to(parameter: str, place: str, *operations: str) -> Responses:
    """Declare that these operations accept the id at `place`, a JSON pointer into the answer."""
    given = {parameter: f"$response.body#{place}"}
    links = {name: {"operationId": name, "parameters": given} for name in operations}
    return {200: {"links": links}}
