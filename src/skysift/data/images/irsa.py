"""ZTF science images from IRSA: search by field, CCD and quadrant or by position, and download.

A product is looked for in the local mirror (``SKYSIFT_MIRROR/ztf/products/sci/...``, the archive's
own layout), then in the cache, then at the archive. IRSA publishes no checksums, so a file is
judged by its structure: it begins as FITS does and is as long as its headers say.
"""

import csv
import io
import os
import re
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import requests
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from skysift.core.errors import AuthenticationError, DataUnavailableError, UsageError
from skysift.core.files import sha256_of_file
from skysift.data.fetch import FetchedFile, cache_folder, cache_writable, offline
from skysift.data.fetch_http import download
from skysift.data.fetch_lock import exclusive
from skysift.data.fetch_patience import Patience
from skysift.data.fetch_progress import progress_bar
from skysift.data.images.irsa_login import (
    Credentials,
    find_credentials,
    refuse_html,
    refuse_web_page,
    sign_in,
)
from skysift.data.images.irsa_products import IRSA, ImageCutout, ScienceExposure, ScienceQuery

__all__ = ["IrsaArchive", "SearchResult"]

_LARGEST_PRODUCT = 200_000_000  # bytes; a science image has 38 million
_LARGEST_TABLE = 100_000_000
_SCIENCE_IMAGE = 37_900_000  # bytes, for the progress bar
_BLOCK = 2880  # FITS 4.0, section 3.1
_SNIFF = 1 << 12
_NO_CHECKSUM = "the archive publishes no checksum; the structure was checked"


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The exposures that a search found.

    Parameters
    ----------
    exposures : tuple of ScienceExposure
        One for each quadrant image; none where nothing fits.
    url : str
        The address that was asked; it holds no credentials.
    signed_in : bool
        Whether the archive knew the user. To a user without rights it lists public exposures
        alone, so an empty result of an anonymous search does not exclude proprietary ones.
    """

    exposures: tuple[ScienceExposure, ...]
    url: str
    signed_in: bool

    def __str__(self) -> str:
        who = "this user" if self.signed_in else "the public"
        return f"{len(self.exposures)} exposures open to {who}"


@dataclass(slots=True)
class IrsaArchive:
    """The ZTF part of the IRSA archive.

    Parameters
    ----------
    base_url : str
        The archive's address.
    credentials : Credentials, optional
        The user; without it, that of the environment or of netrc, else the public.
    patience : Patience
        Timeouts and retries.
    cache : path-like, optional
        Where files are kept; without it, :func:`skysift.data.fetch.cache_folder`.
    progress : bool, optional
        Show or hide the bar; without it, whole images have one.

    Examples
    --------
    >>> query = ScienceQuery(field=535, ccd=11, quadrant=3)
    >>> IrsaArchive().search_url(query)[:66]
    'https://irsa.ipac.caltech.edu/ibe/search/ztf/products/sci?WHERE=fi'
    """

    base_url: str = IRSA
    credentials: Credentials | None = None
    patience: Patience = field(default_factory=Patience)
    cache: str | Path | None = None
    progress: bool | None = None
    _session: requests.Session | None = field(default=None, init=False, repr=False)
    _signed_in: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise UsageError(f"'{self.base_url}' is no address.", f"The archive's is {IRSA} .")
        if parts.username or parts.password:
            raise UsageError(
                "The address of the archive holds a user name.",
                "Set IRSA_USERNAME and IRSA_PASSWORD instead: addresses are written to logs.",
            )
        self.base_url = self.base_url.rstrip("/")

    def search_url(self, query: ScienceQuery) -> str:
        """Return the address that answers a query."""
        return f"{self.base_url}/ibe/search/ztf/products/sci?{query.parameters}"

    def product_url(
        self,
        exposure: ScienceExposure,
        product: str = "sciimg.fits",
        cutout: ImageCutout | None = None,
    ) -> str:
        """Return the address of a product, or of a cutout of it."""
        url = f"{self.base_url}/ibe/data/{exposure.path(product)}"
        return url if cutout is None else f"{url}?{cutout.parameters}"

    def search(self, query: ScienceQuery) -> SearchResult:
        """Return the exposures that fit a query and that this user may see.

        Raises
        ------
        AuthenticationError
            If the archive does not accept the user, or asks for one.
        DataUnavailableError
            If the archive cannot be asked or gives something else than its table.
        """
        url = self.search_url(query)
        with tempfile.TemporaryDirectory() as folder:
            part = Path(folder) / "search.csv"
            self._download(url, part, limit=_LARGEST_TABLE, label="search")
            answer = part.read_bytes()
        try:
            refuse_html(answer[:_SNIFF], url)
            rows = _table(answer)
        except DataUnavailableError as error:
            raise _about(url, error) from error
        return SearchResult(
            tuple(ScienceExposure.from_row(row) for row in rows), url, self._signed_in
        )

    def fetch(
        self,
        exposure: ScienceExposure,
        product: str = "sciimg.fits",
        *,
        cutout: ImageCutout | None = None,
    ) -> FetchedFile:
        """Make a product, or a cutout of it, available here.

        Parameters
        ----------
        exposure : ScienceExposure
            As :meth:`search` found it, or made from a name.
        product : str
            One of :data:`~skysift.data.images.irsa_products.SCIENCE_PRODUCTS`.
        cutout : ImageCutout, optional
            The part that is wanted; the whole without it.

        Returns
        -------
        FetchedFile
            The path, where it came from, and its SHA-256 for provenance.

        Raises
        ------
        AuthenticationError
            If the archive does not accept the user, or asks for one.
        DataUnavailableError
            If the product cannot be had whole.
        OutputError
            If the cache cannot be written.
        """
        url = self.product_url(exposure, product, cutout)
        path = Path(exposure.path(product))
        if cutout is not None:
            path = path.with_name(f"{path.stem}_{cutout.label}.fits")
        notes: list[str] = []
        if here := _from_mirror(path, notes):
            return here
        target = cache_folder(self.cache) / "irsa" / path
        with cache_writable(target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
            with exclusive(target.with_name(f".{target.name}.lock")):
                if here := _usable(target, "cache", str(target), notes):
                    return here
                self._fetch_remote(url, target, whole=cutout is None)
        return _record(target, "url", url, notes)

    def _fetch_remote(self, url: str, target: Path, *, whole: bool) -> None:
        part = target.with_name(f".{target.name}.part")
        self._download(
            url,
            part,
            limit=_LARGEST_PRODUCT,
            label=target.name,
            expected=_SCIENCE_IMAGE if whole else 0,
        )
        if wrong := fits_flaw(part):
            beginning = part.read_bytes()[:_SNIFF]
            part.unlink()
            try:
                refuse_html(beginning, url)
            except DataUnavailableError as error:
                raise _about(url, error) from error
            raise DataUnavailableError(
                f"{url}: what the archive sent is no whole FITS file: {wrong}.",
                "Try again; if it stays so, tell the archive's help desk.",
            )
        part.replace(target)

    def _download(self, url: str, part: Path, *, limit: int, label: str, expected: int = 0) -> None:
        if offline():
            raise DataUnavailableError(
                f"{url} is not here, and SKYSIFT_OFFLINE forbids the network.",
                "Unset SKYSIFT_OFFLINE, or put the file where SKYSIFT_MIRROR points.",
            )
        try:
            with progress_bar(label, expected, show=self.progress) as report:
                download(
                    url,
                    part,
                    size=limit,
                    exact=False,
                    patience=self.patience,
                    report=report,
                    session=self._ready_session(),
                    judge=refuse_web_page,
                )
        except DataUnavailableError as error:
            raise _about(url, error) from error

    def _ready_session(self) -> requests.Session:
        """Return the session, signed in if there is a user; a refusal is not remembered."""
        if self._session is not None:
            return self._session
        session = requests.Session()
        # Without this, requests would look into netrc by itself and for whatever address.
        session.auth = _leave_as_it_is
        host = urlsplit(self.base_url).hostname or ""
        credentials = self.credentials or find_credentials(host)
        if credentials is not None:
            sign_in(session, self.base_url, credentials, self.patience)
        self._session, self._signed_in = session, credentials is not None
        return session


def fits_flaw(path: Path) -> str:
    """Return why a file is no whole FITS file, or nothing if it is one."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if not file.read(_SNIFF).startswith(b"SIMPLE  ="):
            return "it does not begin with SIMPLE"
    if size % _BLOCK:
        return f"its {size:,} bytes are not whole blocks of {_BLOCK}"
    try:
        with warnings.catch_warnings():
            # astropy warns of a file that is too short; that is what is found out here.
            warnings.simplefilter("ignore", AstropyUserWarning)
            with fits.open(path, memmap=True, lazy_load_hdus=False) as units:
                last = units[-1].fileinfo()
        end = int(last["datLoc"] + last["datSpan"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"its headers cannot be read ({error})"
    return "" if size == end else f"its headers speak of {end:,} bytes, it has {size:,}"


def _table(answer: bytes) -> list[dict[str, str]]:
    """Read IRSA's CSV; an empty table is a header alone."""
    try:
        text = answer.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataUnavailableError("the answer is no text") from error
    rows = csv.DictReader(io.StringIO(text))
    missing = {"filefracday", "field", "ccdid", "qid", "filtercode", "imgtypecode"} - set(
        rows.fieldnames or ()
    )
    if missing:
        beginning = re.sub(r"\s+", " ", text[:120]).strip()
        raise DataUnavailableError(
            f"the answer is no table of ZTF exposures; it begins '{beginning}'",
            "If the query has a condition of your own in `where`, check its columns.",
        )
    return list(rows)


def _from_mirror(path: Path, notes: list[str]) -> FetchedFile | None:
    folder = os.environ.get("SKYSIFT_MIRROR")
    if not folder:
        return None
    mirrored = Path(folder).expanduser().absolute() / path
    return _usable(mirrored, "mirror", str(mirrored), notes)


def _usable(path: Path, kind: str, source: str, notes: list[str]) -> FetchedFile | None:
    if not path.is_file():
        return None
    if wrong := fits_flaw(path):
        notes.append(f"{path}: not used, {wrong}")
        return None
    return _record(path, kind, source, notes)


def _record(path: Path, kind: str, source: str, notes: list[str]) -> FetchedFile:
    return FetchedFile(
        name=path.name,
        path=path,
        kind=kind,
        source=source,
        bytes=path.stat().st_size,
        sha256=sha256_of_file(path),
        notes=(*notes, _NO_CHECKSUM),
    )


def _about(url: str, error: DataUnavailableError) -> DataUnavailableError:
    """Return the error with the address and a remedy."""
    problem = f"{url}: {error.problem.rstrip('.')}."
    if isinstance(error, AuthenticationError):
        return AuthenticationError(problem, error.remedy)
    remedy = error.remedy or "Check the network and the address, and try again."
    if "HTTP 404" in error.problem:
        remedy = "There is no such product, or this user may not know of it: search for it first."
    return DataUnavailableError(problem, remedy)


def _leave_as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
