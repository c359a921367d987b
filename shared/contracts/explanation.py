"""Why two pictures are alike, or a picture and a term: what each cell of a picture adds."""

from pydantic import ConfigDict, Field

from shared.contracts.base import Wire


class Box(Wire):
    """Part of an upright picture, each side from 0 to 1."""

    left: float
    top: float
    right: float
    bottom: float


class Heat(Wire):
    """`grid`: rows of cells from the top, over the part of the picture that the network saw."""

    grid: list[list[float]]
    seen: Box


class Explanation(Wire):
    """`POST /v1/explain/images` of the embedder: `heats` has one for each picture, in order.

    `cosine` is computed anew, in one pass in fp32. Each grid sums to it, but where `approximate`.
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

    fingerprint: str
    cosine: float
    approximate: bool
    heats: list[Heat]


class Why(Wire):
    """Why an image is like another one, or like a term.

    `grid` is of the image, `other_grid` of the other one; each sums to `cosine`, but where
    `approximate`. `crop`, `other_crop`: the part of each that the network saw.
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

    grid: list[list[float]]
    other_grid: list[list[float]] | None
    crop: Box
    other_crop: Box | None
    cosine: float = Field(description="Computed anew from both pictures, in fp32.")
    score: float | None = Field(
        description="The cosine of the stored vectors; null where a term has none."
    )
    drift: float | None = Field(
        description="`score` less `cosine`; null where a term has no `score`."
    )
    transform: str | None = Field(
        description="What the index does to features before it compares them; `score`, `cosine` "
        "and the grids are of what comes of it."
    )
    approximate: bool = Field(
        description="The grids show what matters, but don't sum to the cosine."
    )
    model: str
