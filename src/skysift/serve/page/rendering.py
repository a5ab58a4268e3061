"""Templates filled with what the sources know: whole pages, and the parts that change."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from skysift import __version__
from skysift.serve.page.access import Access
from skysift.serve.page.answers import provenance_of
from skysift.serve.page.files import assets
from skysift.serve.page.images import disk_views, flare_rows, stamp_views
from skysift.serve.page.night import Source
from skysift.serve.page.panels import (
    address_of,
    drift_views,
    map_views,
    sky_panel,
    source_view,
    source_views,
)
from skysift.serve.page.sources import Sources
from skysift.serve.page.text import FILTERS, utc_of_mjd
from skysift.serve.records import State
from skysift.serve.staging import BUNDLE_COLUMN, INPUT_COLUMN, RECORD_COLUMN

__all__ = ["Rendering"]

_QUARANTINED = 50  # records that are listed
_HELD = 20  # reasons why there was no alert

Context = dict[str, Any]


class Rendering:
    """Makes HTML; everything that comes from outside is escaped.

    Parameters
    ----------
    sources : Sources
        What there is to show.
    access : Access
        Who may change something.
    """

    def __init__(self, sources: Sources, access: Access) -> None:
        self._sources = sources
        self._access = access
        self._environment = Environment(
            loader=PackageLoader("skysift.serve.page", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(FILTERS)
        self._environment.globals.update(
            asset=_asset_address,
            address_of=address_of,
            version=__version__,
        )
        self._parts: Mapping[str, Callable[[Request], Context]] = {
            "health": self._health,
            "sources": self._source_table,
            "alerts": lambda _: {
                "alerts": sources.alerts.shown,
                "held": sources.alerts.held[:_HELD],
            },
            "stamps": lambda _: {"stamps": stamp_views(sources)},
            "disk": lambda _: {
                "disks": disk_views(sources),
                "flares": flare_rows(sources),
            },
            "drift": lambda _: {"drift": sources.drift, "comparisons": drift_views(sources.drift)},
            "quarantine": self._quarantine,
        }

    def page(
        self, name: str, request: Request, context: Context, status: int = 200
    ) -> HTMLResponse:
        """Return a whole page."""
        return HTMLResponse(self._render(name, request, context), status)

    def part(
        self, name: str, request: Request, *, length: float | None = None, known: str = ""
    ) -> HTMLResponse:
        """Return a part of the first page.

        Parameters
        ----------
        name : str
        request : Request
        length : float, optional
            Of the window whose sky is shown [s].
        known : str
            Lengths that the page offers: they are sent again if there are others now.
        """
        if name == "sky":
            sky = sky_panel(self._sources, length)
            return self.fragment("sky", request, {"sky": sky, "known": known})
        return self.fragment(name, request, self._parts[name](request))

    def fragment(self, name: str, request: Request, context: Context) -> HTMLResponse:
        """Return a piece of HTML."""
        return HTMLResponse(self._render(name, request, context))

    def everything(self, request: Request) -> Context:
        """Return what the first page shows."""
        context: Context = {"sky": sky_panel(self._sources, None), "known": None}
        for part in self._parts.values():
            context |= part(request)
        service = self._sources.service
        context["bundle"] = None if service is None else service.bundle
        context["deadline"] = self._sources.deadline
        return context

    def candidate(self, source: Source, *, whole: bool) -> Context:
        """Return what the page of a candidate shows."""
        sources = self._sources
        now = max((window["t_stop"] for window in sources.night.windows.values()), default=None)
        alert = sources.alerts.by_source().get(source.id)
        view = source_view(source, now, sources.notes.get(source.id), alert)
        maps = sources.maps.of_source(source.id)
        context: Context = {
            "one": view,
            "maps": None if maps is None else map_views(maps, [view.best]),
            "held": sources.alerts.held_of(source.id),
        }
        if whole:
            context["provenance"] = self.provenance(source)
        return context

    def provenance(self, source: Source) -> Sequence[tuple[str, str]]:
        """Return how the row that shows a candidate best came to be."""
        best = source.best
        told = provenance_of(self._sources.sink, source.best_file)
        facts = [
            ("record", str(best[RECORD_COLUMN])),
            ("input", str(best[INPUT_COLUMN])),
            ("bundle hash", str(best[BUNDLE_COLUMN])),
            ("window", str(best["window_id"] or best["window"] or "")),
            ("revision", "" if best["revision"] is None else str(best["revision"])),
            ("begin [UTC]", utc_of_mjd(best["t_start"])),
            ("end [UTC]", utc_of_mjd(best["t_stop"])),
            ("published in", source.best_file),
        ]
        record = self._sources.find_record(str(best[RECORD_COLUMN]))
        if record is not None:
            facts.insert(2, ("input SHA-256", record.sha256))
        known = [(name, value) for name, value in facts if value]
        return known + [fact for fact in self.facts(told) if fact not in known]

    def facts(self, provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return how something was made, as names and texts."""
        bundle = provenance.get("bundle") or {}
        shown = {
            "bundle": bundle.get("name"),
            "bundle hash": bundle.get("hash"),
            "command": provenance.get("command"),
            "skysift": provenance.get("skysift"),
            "started": provenance.get("started"),
            "machine": ", ".join(
                str(provenance[key]) for key in ("platform", "cpu") if provenance.get(key)
            ),
            "python": provenance.get("python"),
            "packages": ", ".join(
                f"{name} {version}" for name, version in (provenance.get("packages") or {}).items()
            ),
            "configuration": json.dumps(provenance["config"], indent=1)
            if provenance.get("config")
            else None,
        }
        return [(name, str(value)) for name, value in shown.items() if value]

    # --- the parts ------------------------------------------------------------------------------

    def _health(self, _request: Request) -> Context:
        samples = self._sources.history.samples
        checks = self._sources.checks
        return {
            "pulse": samples[-1] if samples else None,
            "running": checks.alive or not checks.live,
            "checks": [*checks.live, *checks.ready],
        }

    def _source_table(self, _request: Request) -> Context:
        views = source_views(self._sources, self._sources.notes, self._sources.alerts.by_source())
        return {"sources": views}

    def _quarantine(self, request: Request) -> Context:
        listed = self._sources.quarantined[:_QUARANTINED]
        count = self._sources.counts[State.QUARANTINED.value]
        return {
            "quarantined": listed,
            "more": max(0, count - len(listed)),
            "may_change": self._access.may_change(request),
        }

    def _render(self, name: str, request: Request, context: Context) -> str:
        shared: Context = {
            "sink": self._sources.sink.absolute().name,
            "task": self._sources.task,
            "access": self._access_of(request),
            "may_change": self._access.may_change(request),
        }
        return self._environment.get_template(f"{name}.html.jinja").render(shared | context)

    def _access_of(self, request: Request) -> str:
        if self._access.is_read_only:
            return "read-only"
        if not self._access.has_token:
            return "open"
        return "session" if self._access.may_change(request) else "sign-in"


def _asset_address(name: str) -> str:
    return f"/assets/{name}?v={assets()[name].version}"
