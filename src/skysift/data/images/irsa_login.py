"""Signing in to IRSA: who asks, and what an answer looks like that means "not you".

Credentials come from the environment (``IRSA_USERNAME`` and ``IRSA_PASSWORD``) or from the
netrc file, are sent over https alone, and are written nowhere: not to the configuration, not to
provenance, not into an address.

IRSA answers those who may not see something in several ways: status 401 or 403, or a web page
for signing in under status 200. Each becomes an :class:`~skysift.core.errors.AuthenticationError`
here, because none of them says that there are no data.
"""

import netrc
import os
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import requests

import skysift
from skysift.core.errors import AuthenticationError, ConfigError, DataUnavailableError, UsageError
from skysift.data.fetch_patience import Patience

__all__ = ["Credentials", "find_credentials", "refuse_web_page", "sign_in"]

_LOGIN = "account/signon/login.do"
_COOKIE = "JOSSO_SESSIONID"  # what the image service looks for
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_PAGE_BYTES = 1 << 16
_SIGNS_OF_A_LOGIN = (b"josso", b"signon", b"sign in", b"log in", b"login", b'type="password"')
_REMEDY = (
    "Set IRSA_USERNAME and IRSA_PASSWORD, or add irsa.ipac.caltech.edu to your netrc file; "
    "the account must have the rights to these data."
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user of the archive; the password is never shown.

    Examples
    --------
    >>> Credentials("hubble", "secret")
    Credentials(user='hubble')
    """

    user: str
    password: str = field(repr=False)


def find_credentials(host: str) -> Credentials | None:
    """Return the credentials for `host` of the environment or else of netrc, or None.

    Raises
    ------
    ConfigError
        If one of the two variables is missing, or the netrc file cannot be understood.
    """
    user, password = os.environ.get("IRSA_USERNAME"), os.environ.get("IRSA_PASSWORD")
    if user and password:
        return Credentials(user, password)
    if user or password:
        missing = "IRSA_PASSWORD" if user else "IRSA_USERNAME"
        raise ConfigError(f"{missing} is not set, its counterpart is.", "Set both or neither.")
    path = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    try:
        entry = netrc.netrc(path).authenticators(host)
    except FileNotFoundError:
        return None
    except (netrc.NetrcParseError, OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The netrc file cannot be read ({type(error).__name__}).",
            "Mend it, or set IRSA_USERNAME and IRSA_PASSWORD.",
            path=path,
        ) from None  # the error's own text quotes the file, and may quote a password
    if entry is None or not entry[2]:
        return None
    return Credentials(entry[0], entry[2])


def sign_in(
    session: requests.Session, base_url: str, credentials: Credentials, patience: Patience
) -> None:
    """Sign in, so that the session carries the archive's cookie from now on.

    Raises
    ------
    UsageError
        If the address is not https: a password is not sent in the open.
    AuthenticationError
        If the archive does not accept the user.
    DataUnavailableError
        If it cannot be asked.
    """
    parts = urlsplit(base_url)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise UsageError(
            f"{base_url} is not https, and a password is not sent in the open.",
            "Use the https address.",
        )
    form = {
        "josso_cmd": "login",
        "josso_username": credentials.user,
        "josso_password": credentials.password,
    }
    try:
        answer = session.post(
            f"{base_url}/{_LOGIN}",
            data=form,
            headers={"User-Agent": f"skysift/{skysift.__version__}"},
            timeout=(patience.connect, patience.read),
        )
    except requests.RequestException as error:
        # Its text may hold the request.
        raise DataUnavailableError(
            f"Signing in at {parts.netloc} failed: {type(error).__name__}.",
            "Check the network, and try again.",
        ) from None
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise DataUnavailableError(
            f"Signing in at {parts.netloc} failed: HTTP {answer.status_code}.", "Try again later."
        )
    if _COOKIE not in {cookie.name for cookie in session.cookies}:
        raise AuthenticationError(
            f"{parts.netloc} does not accept the user '{credentials.user}' with this password.",
            _REMEDY,
        )


def refuse_web_page(answer: requests.Response) -> None:
    """Refuse the head of an answer that asks for a login instead of giving data.

    Raises
    ------
    AuthenticationError
        If the answer has status 401 or 403, or is a page for signing in.
    DataUnavailableError
        If it is another web page, such as the notice of a maintenance.
    """
    if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise _not_allowed(f"HTTP {answer.status_code} {answer.reason}")
    if not answer.ok:
        return
    if "html" not in answer.headers.get("Content-Type", "").lower():
        return
    refuse_html(next(answer.iter_content(_PAGE_BYTES), b""), answer.url)


def refuse_html(beginning: bytes, url: str = "") -> None:
    """Refuse bytes that are the beginning of a web page; let all others pass.

    Raises
    ------
    AuthenticationError, DataUnavailableError
        As :func:`refuse_web_page`.
    """
    text = beginning.lstrip().lower()
    if not text.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<?xml")):
        return
    where = urlsplit(url).path.lower().encode()
    if any(sign in text or sign in where for sign in _SIGNS_OF_A_LOGIN):
        raise _not_allowed("a page for signing in")
    raise DataUnavailableError(
        "the archive sent a web page instead of data", "It may be under maintenance: try later."
    )


def _not_allowed(what: str) -> AuthenticationError:
    return AuthenticationError(
        f"the archive does not let this user see it: it answered with {what}; "
        "this does not mean that there are no data",
        _REMEDY,
    )
