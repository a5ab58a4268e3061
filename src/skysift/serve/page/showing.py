"""The routes that show something: what each address answers."""

from collections.abc import Callable

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from skysift.serve.health import health
from skysift.serve.page.changes import MOST_LISTENERS, Changes
from skysift.serve.page.downloads import candidate_fits, candidate_json, candidate_regions
from skysift.serve.page.drawing import picture
from skysift.serve.page.easel import Drawing
from skysift.serve.page.files import assets, vendor_manifest
from skysift.serve.page.images import disk_drawing, stamp_drawing
from skysift.serve.page.maps import LAYERS
from skysift.serve.page.night import Source
from skysift.serve.page.panels import light_curve, limits_of_layer, scale_of_layer
from skysift.serve.page.rendering import Rendering
from skysift.serve.page.sources import Sources

__all__ = ["find_source", "showing"]

_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_NO_CANDIDATE = "There is no such candidate, or it was superseded."
_NO_PICTURE = picture(np.full((1, 1), np.nan, dtype=np.float32), "image", (0.0, 1.0))
_DOWNLOADS = {
    "json": "application/json",
    "reg": "text/plain; charset=utf-8",
    "fits": "application/fits",
}


def showing(sources: Sources, changes: Changes, rendering: Rendering) -> APIRouter:
    """Return the routes that change nothing.

    Parameters
    ----------
    sources : Sources
        What there is to show.
    changes : Changes
        Who tells the pages.
    rendering : Rendering
        What makes HTML of it.
    """
    router = APIRouter()
    _add_pages(router, sources, rendering)
    _add_candidates(router, sources, rendering)
    _add_data(router, sources, changes)
    return router


def _add_pages(router: APIRouter, sources: Sources, rendering: Rendering) -> None:
    @router.get("/")
    def night(request: Request) -> HTMLResponse:
        return rendering.page("night", request, rendering.everything(request))

    @router.get("/about")
    def about(request: Request) -> HTMLResponse:
        facts = rendering.facts(sources.provenance)
        vendor = vendor_manifest()["package"]
        return rendering.page("about", request, {"facts": facts, "vendor": vendor})

    @router.get("/panels/sky")
    def sky(request: Request, window: str = "", known: str = "") -> HTMLResponse:
        return rendering.part("sky", request, length=_length(window), known=known)

    for name in ("health", "sources", "alerts", "stamps", "disk", "drift", "quarantine"):
        router.get(f"/panels/{name}", name=name)(_panel(rendering, name))

    @router.get("/assets/{name}")
    def asset(name: str) -> Response:
        found = assets().get(name)
        if found is None:
            raise HTTPException(404, "There is no such file.")
        return Response(found.content, media_type=found.kind, headers=_FOR_EVER)


def _panel(rendering: Rendering, name: str) -> Callable[[Request], HTMLResponse]:
    def panel(request: Request) -> HTMLResponse:
        return rendering.part(name, request)

    return panel


def _add_candidates(router: APIRouter, sources: Sources, rendering: Rendering) -> None:
    @router.get("/candidates/{name}")
    def candidate(request: Request, name: str) -> HTMLResponse:
        with sources.night.lock:
            context = rendering.candidate(find_source(sources, name), whole=True)
        return rendering.page("candidate", request, context)

    @router.get("/candidates/{name}/panel")
    def summary(request: Request, name: str) -> HTMLResponse:
        with sources.night.lock:
            context = rendering.candidate(find_source(sources, name), whole=False)
        return rendering.fragment("summary", request, context)

    @router.get("/candidates/{name}/light-curve")
    def curve(name: str) -> JSONResponse:
        with sources.night.lock:
            return JSONResponse(light_curve(find_source(sources, name)))

    @router.get("/candidates/{name}/candidate.{kind}")
    def download(name: str, kind: str) -> Response:
        if kind not in _DOWNLOADS:
            raise HTTPException(404, "It is to be had as fits, reg and json.")
        with sources.night.lock:
            source = find_source(sources, name)
            content = _content(sources, rendering, source, kind)
        file = "".join(c if c.isascii() and (c.isalnum() or c in "+-.") else "_" for c in source.id)
        headers = {"Content-Disposition": f'attachment; filename="{file[:100]}.{kind}"'}
        return Response(content, media_type=_DOWNLOADS[kind], headers=headers)


def _content(sources: Sources, rendering: Rendering, source: Source, kind: str) -> bytes:
    if kind == "reg":
        return candidate_regions(source)
    provenance = rendering.provenance(source)
    units = sources.night.units
    if kind == "json":
        return candidate_json(source, units, provenance)
    return candidate_fits(source, units, provenance, sources.maps.of_source(source.id))


def _add_data(router: APIRouter, sources: Sources, changes: Changes) -> None:
    @router.get("/maps/{key}/{layer}.png")
    def map_picture(key: str, layer: str) -> Response:
        maps = sources.maps.find(key)
        if maps is None or layer not in LAYERS:
            raise HTTPException(404, "This map is not kept any more.")
        limits = limits_of_layer(maps, layer)
        content = picture(maps.layers[layer], scale_of_layer(layer), limits)
        return Response(content, media_type="image/png", headers=_FOR_EVER)

    @router.get("/stamps/{key}.png")
    def stamp_picture(key: str) -> Response:
        return _drawn(stamp_drawing(sources, key))

    @router.get("/disks/{key}.png")
    def disk_picture(key: str) -> Response:
        return _drawn(disk_drawing(sources, key))

    @router.get("/series/pulse")
    def pulse(after: float = 0.0) -> JSONResponse:
        return JSONResponse(sources.history.series(after))

    @router.get("/changes")
    async def listen() -> Response:
        if changes.listeners >= MOST_LISTENERS:
            return PlainTextResponse("Too many pages are open.", 503)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(changes.listen(), media_type="text/event-stream", headers=headers)

    @router.get("/healthz")
    def healthz() -> JSONResponse:
        found = health(sources.sink)
        return JSONResponse(found.to_dict(), 200 if found.is_ready else 503)


def _drawn(drawing: Drawing | None) -> Response:
    """Return a picture; an empty one, not an error, where the file is gone."""
    if drawing is None:
        return Response(_NO_PICTURE, media_type="image/png")
    return Response(drawing.png, media_type="image/png", headers=_FOR_EVER)


def find_source(sources: Sources, name: str) -> Source:
    """Return a candidate by its name, which is looked up and used for nothing else.

    Raises
    ------
    HTTPException
        If there is none.
    """
    found = sources.night.sources.get(name)
    if found is None or not found.candidates:
        raise HTTPException(404, _NO_CANDIDATE)
    return found


def _length(text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
