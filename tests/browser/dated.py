"""Pictures with dates and places for tests of the views that show all of them."""

from collections.abc import Sequence
from dataclasses import replace

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from shared.contracts.judgements import Draw, JudgedSearch, Question
from tests.browser.stand_in import Picture, StandIn

WIDTHS = (1440, 1024, 390)
PLACES = (
    ((48.8584, 2.2945), ("Paris", "France")),
    ((48.8049, 2.1204), ("Versailles", "France")),
    ((-33.8568, 151.2153), ("Sydney", "Australia")),
    (None, None),
)


def dated(pictures: Sequence[Picture]) -> list[Picture]:
    """Forty pictures over five years, three of four with a place; and five without a date."""
    found = []
    for n, one in enumerate(pictures[:45]):
        at, place = PLACES[n % 4]
        taken = f"{2024 - n // 8}-{1 + n % 12:02d}-{1 + n % 28:02d}T12:00:00" if n < 40 else None
        found.append(
            replace(one, id=f"p{n:02d}", uri=f"trips/p{n:02d}.jpg", taken=taken, at=at, place=place)
        )
    return found


def suspect(stand_in: StandIn) -> None:
    """Has the service suspect the first tag of three pictures, and miss one on three others."""
    first, last = stand_in.pictures[:3], stand_in.pictures[-3:]
    stand_in.shelf.wrong = [(one.id, one.tags[0], "elsewhere") for one in first]
    stand_in.shelf.missing = [(one.id, "missed") for one in last]


def questions(stand_in: StandIn) -> list[Question]:
    """Forty hits to judge, half of them likely, the others first."""
    ids = [one.id for one in stand_in.pictures]
    return [
        Question(
            search=JudgedSearch(id=ids[n]),
            id=ids[n + 1],
            draw=Draw(survey="s", weight=1.0, predicted=0.1 if n < 20 else 0.9),
        )
        for n in range(40)
    ]


def serious(page: Page) -> list[str]:
    """What axe-core calls serious or critical, each with where it is."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {[node['target'] for node in one['nodes']]}"
        for one in violations
        if one["impact"] in ("serious", "critical")
    ]
