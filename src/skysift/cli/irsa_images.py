"""ZTF science images for the verb cutouts: searched at IRSA, then downloaded into the cache."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from skysift.cli.console import Console
from skysift.cli.cutout_inputs import parse_position
from skysift.core.errors import AuthenticationError, DataUnavailableError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from skysift.data.images.irsa import IrsaArchive
    from skysift.data.images.irsa_products import ScienceExposure

__all__ = ["IrsaImages", "IrsaOptions", "fetch_images"]


@dataclass(frozen=True, slots=True)
class IrsaOptions:
    """Which images; the names are those of the options."""

    field: int | None = None
    ccd: int | None = None
    quadrant: int | None = None
    position: str | None = None
    band: str | None = None
    seeing_below: float | None = None
    good_only: bool = False
    most_central: bool = False
    exposure: tuple[str, ...] = ()
    most_images: int | None = None
    irsa_url: str | None = None

    @property
    def given(self) -> list[str]:
        """Return the options that were typed."""
        return [
            f"--{item.name.replace('_', '-')}"
            for item in fields(self)
            if getattr(self, item.name) not in (None, False, ())
        ]


@dataclass(frozen=True, slots=True)
class IrsaImages:
    """What the archive gave.

    Parameters
    ----------
    paths : tuple of Path
        The images here.
    rejected : dict of str to str
        Images that could not be had, each with its reason.
    record : dict
        For the record: what was asked, and address and SHA-256 of each file.
    """

    paths: tuple["Path", ...]
    rejected: dict[str, str]
    record: dict[str, Any]


_MOST_IMAGES = 50


def fetch_images(console: Console, options: IrsaOptions) -> IrsaImages:
    """Search, and download what was found and is not here yet.

    An image that cannot be had is left out with its reason; a refusal of the user ends it all, so
    that it is never taken for an absence of data.

    Raises
    ------
    UsageError
        If nothing says which images, or they are more than was allowed.
    AuthenticationError
        If the archive does not accept the user, or asks for one.
    DataUnavailableError
        If there is no image, or none can be had.
    """
    from skysift.data.images.irsa import IrsaArchive
    from skysift.data.images.irsa_products import IRSA

    archive = IrsaArchive(options.irsa_url or IRSA)
    exposures, asked = _wanted(console, archive, options)
    most = options.most_images or _MOST_IMAGES
    if len(exposures) > most:
        raise UsageError(
            f"{len(exposures):,} images fit, of 38 MB each; --most-images allows {most}.",
            "Narrow the search, or raise --most-images.",
        )
    paths, rejected, files = [], {}, []
    with console.progress("download") as progress:
        for number, exposure in enumerate(exposures):
            progress(number / len(exposures), exposure.name())
            try:
                file = archive.fetch(exposure)
            except AuthenticationError:
                raise
            except DataUnavailableError as error:
                rejected[exposure.name()] = f"{error.problem} {error.remedy}".strip()
                continue
            paths.append(file.path)
            files.append({"name": file.name, "source": file.source, "sha256": file.sha256})
    if not paths:
        raise DataUnavailableError(
            f"None of {len(exposures)} images can be had: {next(iter(rejected.values()))}",
            "Try again later.",
        )
    return IrsaImages(tuple(paths), rejected, {"asked": asked, "files": files})


def _wanted(
    console: Console, archive: "IrsaArchive", options: IrsaOptions
) -> tuple[list["ScienceExposure"], str]:
    """Return the exposures that are named or found, and the address that was asked."""
    from skysift.data.images.irsa_products import ScienceExposure, ScienceQuery

    if options.exposure:
        others = set(options.given) - {"--exposure", "--most-images", "--irsa-url"}
        if others:
            raise UsageError(
                f"--exposure names the images; {', '.join(sorted(others))} would search for them.",
                "Give one or the other.",
            )
        return [ScienceExposure.from_name(name) for name in dict.fromkeys(options.exposure)], ""
    position = options.position
    if position is None and options.field is None:
        raise UsageError(
            "Neither a position nor a field is given: that is the whole archive.",
            "Give --position, --field or --exposure.",
        )
    query = ScienceQuery(
        position=None if position is None else parse_position(position, "--position"),
        field=options.field,
        ccd=options.ccd,
        quadrant=options.quadrant,
        filtercode=options.band,
        seeing_below=options.seeing_below,
        good_only=options.good_only,
        most_central=options.most_central,
    )
    console.note(f"asking {archive.search_url(query)}")
    found = archive.search(query)
    console.note(str(found))
    if not found.exposures:
        who = "" if found.signed_in else " Nobody is signed in: proprietary images are not listed."
        raise DataUnavailableError(
            f"The archive lists no image that fits.{who}",
            "Widen the search; set IRSA_USERNAME and IRSA_PASSWORD for proprietary images.",
        )
    return list(found.exposures), found.url
