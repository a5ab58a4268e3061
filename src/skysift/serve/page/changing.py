"""The routes that change something: each asks first whether it may."""

from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from skysift.core.errors import UsageError
from skysift.serve.page.access import SESSION_COOKIE, SESSION_SECONDS, Access
from skysift.serve.page.alerts import retract_candidate
from skysift.serve.page.changes import Changes
from skysift.serve.page.notes import MOST_TEXT, notes_of
from skysift.serve.page.rendering import Rendering
from skysift.serve.page.showing import find_source
from skysift.serve.page.sources import Sources
from skysift.serve.service import spool_of

__all__ = ["changing"]

_FIELDS = 8  # of a form


def changing(sources: Sources, changes: Changes, rendering: Rendering, access: Access) -> APIRouter:
    """Return the routes that change something.

    Parameters
    ----------
    sources : Sources
        Where it is changed.
    changes : Changes
        Who tells the pages.
    rendering : Rendering
        What makes HTML.
    access : Access
        Who may.
    """
    router = APIRouter()
    _add_sessions(router, access)
    _add_candidates(router, sources, changes, rendering, access)
    _add_quarantine(router, sources, rendering, access)
    return router


def _add_sessions(router: APIRouter, access: Access) -> None:
    @router.post("/session")
    async def sign_in(request: Request) -> Response:
        access.require_own_origin(request)
        name = access.sign_in((await _form(request)).get("token", ""))
        answer = _back(request)
        answer.set_cookie(
            SESSION_COOKIE,
            name,
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="strict",
            # Before a server with TLS we speak HTTP; the origin says what the browser speaks.
            secure=request.headers.get("origin", "").startswith("https://"),
        )
        return answer

    @router.post("/session/end")
    async def sign_out(request: Request) -> Response:
        access.require_own_origin(request)
        access.sign_out(request)
        answer = _back(request)
        answer.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
        return answer


def _add_candidates(
    router: APIRouter, sources: Sources, changes: Changes, rendering: Rendering, access: Access
) -> None:
    async def decided(request: Request, text: str) -> HTMLResponse:
        await run_in_threadpool(sources.read_notes)
        changes.tell({"notes", "alerts"})
        return rendering.fragment("decided", request, {"text": text})

    @router.post("/candidates/{name}/acknowledge")
    async def acknowledge(request: Request, name: str) -> HTMLResponse:
        access.require(request)
        text = (await _form(request)).get("text", "")[:MOST_TEXT].strip()
        source = find_source(sources, name).id
        await run_in_threadpool(_note, sources, source, text, retracted=False)
        return await decided(request, "Acknowledged.")

    @router.post("/candidates/{name}/retract")
    async def retract(request: Request, name: str) -> HTMLResponse:
        access.require(request)
        reason = (await _form(request)).get("reason", "")[:MOST_TEXT].strip()
        if not reason:
            raise UsageError("It is not said why.", "Give a reason.")
        source = find_source(sources, name).id
        alert = await run_in_threadpool(retract_candidate, sources.sink, source, reason)
        await run_in_threadpool(_note, sources, source, reason, retracted=True)
        if alert:
            return await decided(request, f"Alert {alert} is retracted.")
        return await decided(request, "Retracted. No alert had been issued for it.")


def _note(sources: Sources, candidate: str, text: str, *, retracted: bool) -> None:
    with notes_of(sources.sink) as notes:
        notes.add(candidate, text, retracted=retracted)


def _add_quarantine(
    router: APIRouter, sources: Sources, rendering: Rendering, access: Access
) -> None:
    @router.post("/quarantine/{record}/replay")
    async def replay(request: Request, record: str) -> HTMLResponse:
        access.require(request)
        await run_in_threadpool(_replay, sources, record)
        return rendering.part("quarantine", request)


def _replay(sources: Sources, record: str) -> None:
    with spool_of(sources.sink) as spool:
        done = spool.replay([record])
    if not done:
        raise HTTPException(404, "There is no such record in quarantine.")
    sources.forget_quarantined(record)


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a form; the guard ends one that is longer than it may be."""
    try:
        text = (await request.body()).decode("ascii")
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=_FIELDS)
    except ValueError as error:
        raise HTTPException(400, "That is no form.") from error
    except ClientDisconnect as error:
        raise HTTPException(413, "That is more than this page takes.") from error
    return {name: values[-1] for name, values in fields.items()}


def _back(request: Request) -> Response:
    """Return an answer that shows the page anew."""
    if request.headers.get("hx-request"):
        return Response(status_code=204, headers={"HX-Refresh": "true"})
    return RedirectResponse("/", 303)
