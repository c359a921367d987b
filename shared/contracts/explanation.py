"""Contribution of each cell of a picture to its similarity to another picture or a term."""

from pydantic import ConfigDict, Field

from shared.contracts.base import Wire


class Box(Wire):
    """Part of an upright picture, each side from 0 to 1."""

    left: float = Field(description="Left side, from 0 to 1.")
    top: float = Field(description="Top side, from 0 to 1.")
    right: float = Field(description="Right side, from 0 to 1.")
    bottom: float = Field(description="Bottom side, from 0 to 1.")


class Heat(Wire):
    """Heat map of a picture."""

    grid: list[list[float]] = Field(
        description="Contribution of each cell to the cosine, in rows from the top."
    )
    seen: Box = Field(description="Part of the picture that the grid covers.")


class Explanation(Wire):
    """Answer of `POST /v1/explain/images` of the embedder.

    Each grid sums to `cosine`, unless `approximate`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "fingerprint": "mini-bd7a04c10886955e",
                    "cosine": 0.7,
                    "approximate": False,
                    "heats": [
                        {
                            "grid": [[0.5, -0.1], [0.2, 0.1]],
                            "seen": {"left": 0.16, "top": 0.06, "right": 0.84, "bottom": 0.94},
                        }
                    ],
                }
            ]
        }
    )

    fingerprint: str = Field(description="Fingerprint of the model.")
    cosine: float = Field(description="Cosine similarity, computed in one pass in fp32.")
    approximate: bool = Field(description="Whether the grids sum to the cosine only roughly.")
    heats: list[Heat] = Field(
        description="One heat map for each picture, in the order of the request."
    )


class Why(Wire):
    """Explanation of the similarity of an image to another one, or to a term.

    Each grid sums to `cosine`, unless `approximate`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "grid": [[0.5, -0.1], [0.2, 0.1]],
                    "other_grid": [[0.2, 0.2], [0.2, 0.1]],
                    "crop": {"left": 0.16, "top": 0.06, "right": 0.84, "bottom": 0.94},
                    "other_crop": {"left": 0.06, "top": 0.16, "right": 0.94, "bottom": 0.84},
                    "cosine": 0.7,
                    "score": 0.7001,
                    "drift": 0.0001,
                    "transform": None,
                    "approximate": False,
                    "model": "mini-bd7a04c10886955e",
                }
            ]
        }
    )

    grid: list[list[float]] = Field(
        description="Contribution of each cell of the image, in rows from the top."
    )
    other_grid: list[list[float]] | None = Field(
        description="The same for the other image; null for a term."
    )
    crop: Box = Field(description="Part of the image that the network saw.")
    other_crop: Box | None = Field(
        description="Part of the other image that the network saw; null for a term."
    )
    cosine: float = Field(description="Cosine similarity computed from both pictures, in fp32.")
    score: float | None = Field(
        description="Cosine similarity of the stored vectors; null: the term has none."
    )
    drift: float | None = Field(description="`score` - `cosine`; null: there is no `score`.")
    transform: str | None = Field(
        description="Feature transform of the index; `score`, `cosine` and the grids concern the "
        "transformed features."
    )
    approximate: bool = Field(
        description="Whether the grids show relative importance only, and don't sum to the cosine."
    )
    model: str = Field(description="Fingerprint of the model.")
