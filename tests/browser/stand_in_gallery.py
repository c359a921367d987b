"""The stand-in's answers about the whole collection: timeline, lists, changes, the trash."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import FastAPI, Request, Response

from shared.core.errors import ISEError, NotFound
from tests.browser.stand_in_selection import counted, in_order, map_cells, moment_of, passes

DELETED = datetime(2026, 11, 29, 9, 12, tzinfo=UTC)


@dataclass
class Shelf:
    """What a test does to the collection, and what was asked of it."""

    trash: list[Any] = field(default_factory=list)
    days: float = 30
    undos: dict[str, list[Any]] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    error: ISEError | None = None
    groups: list[list[str]] = field(default_factory=list)
    wrong: list[tuple[str, str, str]] = field(default_factory=list)
    """Tags that look wrong: the image, the tag, the better one."""
    missing: list[tuple[str, str]] = field(default_factory=list)
    plan: list[list[str]] = field(default_factory=list)
    """Groups of a plan of duplicates: the kept picture, then those that go."""
    trash_before_undo: dict[str, list[Any]] = field(default_factory=dict)


def install(app: FastAPI, stand_in: Any) -> None:
    shelf: Shelf = stand_in.shelf

    def asked(request: Request) -> list[Any]:
        given = dict(request.query_params)
        shelf.asked.append({"path": request.url.path, **given})
        if shelf.error is not None:
            raise shelf.error
        wanted = json.loads(given.get("filter", "{}"))
        found = [p for p in stand_in.pictures if passes(p, wanted)]
        return in_order(found, given.get("sort", "-added"))

    @app.get("/v1/images/timeline")
    def timeline(request: Request) -> dict[str, Any]:
        found = asked(request)
        sort = request.query_params.get("sort", "-added")
        days: dict[str, int] = {}
        for picture in found:
            at = moment_of(picture, sort)
            if at is not None:
                days[at[:10]] = days.get(at[:10], 0) + 1
        return {
            "days": [{"day": day, "count": count} for day, count in days.items()],
            "undated": len(found) - sum(days.values()),
            "total": len(found),
        }

    @app.get("/v1/images/facets")
    def facets(request: Request) -> dict[str, Any]:
        found = asked(request)
        facts = [one.facts()["file"] for one in found]
        days = sorted(one.taken[:10] for one in found if one.taken)
        named = {"cameras": "camera", "lenses": "lens", "countries": "country", "cities": "city"}
        counts = {name: counted(one[key] for one in facts) for name, key in named.items()}
        years = sorted(counted(day[:4] for day in days), key=lambda one: one["value"])
        return counts | {
            "years": years,
            "undated": len(found) - len(days),
            "first": days[0] if days else None,
            "last": days[-1] if days else None,
            "tags": counted(tag for one in found for tag in one.tags),
            "labels": counted(name for one in found for name, p in one.labels if p >= 0.5),
            "total": len(found),
        }

    @app.get("/v1/places")
    def places(match: str = "", name: str = "", limit: int = 20) -> dict[str, Any]:
        taken = [one.place for one in stand_in.pictures if one.place]
        cities, countries = counted(p[0] for p in taken), counted(p[1] for p in taken)
        both = [("city", one) for one in cities] + [("country", one) for one in countries]
        found = [
            {"name": one["value"], "kind": kind, "count": one["count"]}
            for kind, one in both
            if one["value"].lower().startswith(match.lower())
            and (not name or one["value"].lower() == name.lower())
        ]
        return {"places": found[:limit]}

    @app.get("/v1/images/map")
    def world(request: Request) -> dict[str, Any]:
        found = asked(request)
        placed = [one for one in found if one.at]
        cells = map_cells(placed, float(request.query_params["cell"]))
        return {"cells": cells, "placed": len(placed), "total": len(found), "complete": True}

    @app.get("/v1/images")
    def images(request: Request) -> dict[str, Any]:
        found = asked(request)
        given = request.query_params
        start = int(given.get("cursor", 0)) + int(given.get("offset", 0))
        if day := given.get("from"):
            ats = [(moment_of(p, given["sort"]) or "")[: len(day)] for p in found]
            start += next((n for n, at in enumerate(ats) if at <= day), len(found))
        end = start + int(given.get("limit", 100))
        return {
            "images": [p.info().model_dump() | p.facts() for p in found[start:end]],
            "total": len(found),
            "next": str(end) if end < len(found) else None,
        }

    @app.get("/v1/trash/{image_id}/thumbnail")
    def trashed(image_id: str) -> Response:
        return Response(stand_in.by_id(image_id).data, media_type="image/jpeg")

    @app.post("/v1/images/bulk")
    async def bulk(request: Request) -> dict[str, Any]:
        change = await request.json()
        shelf.changes.append(dict(change))
        if shelf.error is not None:
            raise shelf.error
        token = f"undo-{len(shelf.undos)}"
        shelf.undos[token] = list(stand_in.pictures)
        shelf.trash_before_undo[token] = list(shelf.trash)
        if "filter" in change:
            met = {p.id for p in stand_in.pictures if passes(p, change["filter"])}
            change["ids"] = met - set(change["but"])
        ids = set(change.pop("ids"))
        named = [p for p in stand_in.pictures if p.id in ids]
        if change.get("delete"):
            stand_in.pictures = [p for p in stand_in.pictures if p.id not in ids]
            if not shelf.days:
                return {"changed": 0, "deleted": len(named), "undo": None}
            shelf.trash[:0] = named
            return {"changed": 0, "deleted": len(named), "undo": token}
        gone = set(change.get("remove_tags", []))

        def retagged(picture: Any) -> Any:
            if picture.id not in ids:
                return picture
            kept = [t for t in picture.tags if t not in gone]
            more = [t for t in change.get("add_tags", []) if t not in kept]
            return replace(picture, tags=(*kept, *more))

        stand_in.pictures = [retagged(p) for p in stand_in.pictures]
        return {"changed": len(named), "deleted": 0, "undo": token}

    @app.post("/v1/undo/{token}")
    def undo(token: str) -> dict[str, Any]:
        if token not in shelf.undos:
            raise NotFound("This can't be undone any more.")
        stand_in.pictures = shelf.undos.pop(token)
        shelf.trash[:] = shelf.trash_before_undo.pop(token)
        return {"changed": 0, "restored": 1, "trashed": 0, "left": 0}

    @app.get("/v1/trash")
    def trash() -> dict[str, Any]:
        if shelf.error is not None:
            raise shelf.error
        gone = {
            "deleted_at": DELETED.isoformat(),
            "expires_at": (DELETED + timedelta(days=shelf.days)).isoformat(),
        }
        images = [p.info().model_dump() | p.facts() | gone for p in shelf.trash]
        return {"images": images, "total": len(images), "days": shelf.days, "next": None}

    @app.post("/v1/trash/restore")
    async def restore(request: Request) -> dict[str, Any]:
        ids = set((await request.json())["ids"])
        back = [p for p in shelf.trash if p.id in ids]
        shelf.trash[:] = [p for p in shelf.trash if p.id not in ids]
        stand_in.pictures = [*stand_in.pictures, *back]
        return {"restored": [p.id for p in back], "unknown": []}

    @app.delete("/v1/trash")
    def empty_trash() -> dict[str, int]:
        gone = len(shelf.trash)
        shelf.trash.clear()
        return {"deleted": gone}

    @app.get("/v1/labels")
    def labels(match: str = "", least: float = 0.5) -> dict[str, Any]:
        if shelf.error is not None:
            raise shelf.error
        shown = counted(n for p in stand_in.pictures for n, share in p.labels if share >= least)
        found = [
            {"name": one["value"], "images": one["count"], "untagged": one["count"]}
            for one in shown
            if match.lower() in one["value"]
        ]
        return {"labels": found}

    @app.post("/v1/labels/accept")
    async def accept(request: Request) -> dict[str, Any]:
        shelf.changes.append(dict(await request.json()))
        return {"id": "job"}

    @app.get("/v1/tags/audit")
    def audit(kind: str = "wrong") -> dict[str, Any]:
        if shelf.error is not None:
            raise shelf.error
        suspicious = shelf.wrong if kind == "wrong" else [(*one, None) for one in shelf.missing]
        found = [
            {"id": i, "uri": stand_in.by_id(i).uri, "tag": tag, "rather": rather, "gain": 0.3}
            for i, tag, rather in suspicious
            if (tag in stand_in.by_id(i).tags) is (kind == "wrong")
        ]
        return {"found": found, "tags": 12, "images": len(stand_in.pictures)}

    @app.post("/v1/tags/rename")
    async def rename(request: Request) -> dict[str, Any]:
        asked = await request.json()
        shelf.changes.append(asked)
        if shelf.error is not None:
            raise shelf.error
        former, to = asked["from"], asked["to"]
        stand_in.pictures = [
            replace(p, tags=tuple(dict.fromkeys(to if t == former else t for t in p.tags)))
            for p in stand_in.pictures
        ]
        return {"changed": 1, "merged": 0, "undo": None}

    @app.get("/v1/archive")
    def archive(request: Request) -> Response:
        given = request.query_params
        told = {"filter": given["filter"]} if "filter" in given else {}
        shelf.asked.append({"path": "archive", "ids": given.getlist("id")} | told)
        return Response(b"PK\x05\x06" + bytes(18), media_type="application/zip")

    @app.get("/v1/folders")
    def folders(request: Request) -> dict[str, Any]:
        if shelf.error is not None:
            raise shelf.error
        path = request.query_params.get("path", "")
        found: dict[str, list[Any]] = {}
        for picture in stand_in.pictures:
            folder = picture.uri.rpartition("/")[0]
            under = folder.removeprefix(f"{path}/") if path else folder
            if not folder or (path and not folder.startswith(f"{path}/")):
                continue
            name = under.split("/")[0]
            found.setdefault(f"{path}/{name}" if path else name, []).append(picture)
        listed = [
            {
                "path": p,
                "name": p.rpartition("/")[2],
                "count": len(inside),
                "cover": inside[0].id,
            }
            for p, inside in sorted(found.items())
        ]
        return {"path": path, "folders": listed}

    @app.get("/v1/duplicates/plan")
    def plan() -> dict[str, Any]:
        if shelf.error is not None:
            raise shelf.error
        there = {p.id for p in stand_in.pictures}
        groups = [[i for i in group if i in there] for group in shelf.plan]
        groups = [group for group in groups if len(group) > 1]
        goes = sum(len(group) - 1 for group in groups)
        return {
            "plan": "p1",
            "budget": 0.02,
            "keep": "largest",
            "delete": goes,
            "at_most_wrong": 0,
            "over_budget": 0,
            "pictures": len(stand_in.pictures) if shelf.plan else 0,
            "waiting": 0,
            "groups": [
                {
                    "kept": {"id": kept},
                    "others": [
                        {"id": i, "kind": "same", "probability": 0.999, "goes": True}
                        for i in others
                    ],
                }
                for kept, *others in groups
            ],
            "total": len(groups),
            "next": None,
        }

    @app.post("/v1/duplicates/delete")
    async def delete_duplicates(request: Request) -> dict[str, Any]:
        shelf.changes.append(await request.json())
        gone = {i for group in shelf.plan for i in group[1:]} - set(shelf.changes[-1]["but"])
        shelf.undos["plan"] = list(stand_in.pictures)
        shelf.trash_before_undo["plan"] = list(shelf.trash)
        stand_in.pictures = [p for p in stand_in.pictures if p.id not in gone]
        return {"deleted": len(gone), "merged": 0, "undo": "plan"}

    @app.get("/v1/duplicates")
    def duplicates() -> dict[str, Any]:
        if shelf.error is not None:
            raise shelf.error
        groups = [
            [{"id": i, "uri": stand_in.by_id(i).uri, "score": 0.99} for i in group]
            for group in shelf.groups
        ]
        return {"groups": groups, "threshold": 0.98, "clusters": 8, "looked_at": 8, "next": None}
