"""The night in pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from skysift.data.sky.tangent import TangentGrid
from skysift.data.table import FeatureTable
from skysift.evaluate.intervals import Interval
from skysift.report import Block, Column, Page, Section
from skysift.report.plots.sky import SkyEllipse, SkyImage, plot_sky_map
from skysift.tasks.gamma_sky.pages.reading import Facts

__all__ = ["add_night"]

_CLOSE = 25.0  # side of the close-up over the 68 % radius
_CLOSE_LIMITS = (0.3, 1.2)  # deg
_SMOOTHING = 0.06  # deg, standard deviation, for the eye alone
_LABEL = "counts per square degree"
_NOT_SEARCHED = -99.0
_LOWEST, _HIGHEST = -4.0, 6.0  # standard deviations
_ONE_SIGMA = 0.683
_WORDS = {1: "one new source", 2: "two new sources"}


def add_night(page: Page, facts: Facts, table: FeatureTable) -> None:
    """Add the fields of the simulated night."""
    night = facts["night"]
    fields = night["fields"]
    section = page.section(
        "A night under this sky",
        lead=f"{len(fields)} simulated fields of {night['exposure']:g} s each. The search has no "
        "instrument response: it takes the background from the map itself. Whole fields are "
        f"smoothed by {_SMOOTHING:g} deg for the eye; close-ups are not.",
    )
    for number, field in enumerate(fields):
        chosen = table.take(table["field"] == number)
        _add_field(section, number, field, chosen)


def _add_field(block: Section, number: int, field: Facts, table: FeatureTable) -> None:
    shown = _Shown.of(field, table)
    sources, found = field["sources"], field["candidates"]
    fluxes = " and ".join(f"{one['flux']:g} Crab" for one in sources)
    what = _WORDS.get(len(sources), f"{len(sources)} new sources")
    part = block.subsection(f"Field {number + 1}: {what}, {fluxes}", lead=_told(field))
    part.figure(
        plot_sky_map(shown.smooth("raw"), label=_LABEL, truth=shown.truth),
        caption=f"**Raw counts**: {field['counts']:,.0f} photons, nearly all of them cosmic rays "
        "that look like gamma rays. The cross marks the truth.",
        alt="Map of raw counts of a simulated field.",
    )
    _add_filtered(part, shown)
    strongest = float(np.max(shown.smooth("cleaned").values)) if found else None
    part.figure(
        plot_sky_map(shown.smooth("cleaned"), label=_LABEL, ellipses=shown.ellipses),
        caption=f"**Cleaned**: {field['cleaned']:,.0f} counts are the sources'. Nothing is "
        "rescaled: cleaned, background and residual add up to the raw counts in every pixel.",
        alt="Cleaned map of the same field.",
    )
    part.figure(
        plot_sky_map(
            shown.smooth("residual"), label=_LABEL, scale="difference",
            limits=None if strongest is None else (-strongest, strongest),
        ),
        caption="**What is left** after sources and background, on the scale of the cleaned map: "
        "noise, without a trace of the source, if both are right.",
        alt="Residual map of the same field.",
    )  # fmt: skip
    if found:
        _add_close_ups(part, shown, found[0])
        _add_candidates(part, found)


def _add_filtered(block: Block, shown: "_Shown") -> None:
    filtered = shown.image("filtered")
    values = np.asarray(filtered.values)
    values = np.where(values > _NOT_SEARCHED, values, np.nan)
    block.figure(
        plot_sky_map(
            SkyImage(values, filtered.grid),
            label="standard deviations",
            scale="significance",
            ellipses=shown.ellipses,
            limits=(_LOWEST, max(_HIGHEST, float(np.nanmax(values)) / 2)),
        ),
        caption="**What the likelihood-ratio filter sees**: each photon weighed by its energy and "
        "place. Rings mark candidates.",
        alt="Filtered map of the same field with its candidates.",
    )


def _add_close_ups(block: Block, shown: "_Shown", best: Facts) -> None:
    side = float(np.clip(_CLOSE * best["err68"], *_CLOSE_LIMITS))
    centre = (best["ra"], best["dec"])
    for name, what in (("raw", "raw counts, pixel by pixel"), ("cleaned", "cleaned")):
        told = (
            f"{best['distance']:.4f} deg from the truth (cross), stated 68 % radius "
            f"{best['err68']:.4f} deg. Ellipses: 68 % (line) and 95 % (dashes)."
            if name == "raw"
            else "The same place after cleaning."
        )
        block.figure(
            plot_sky_map(
                shown.image(name), label="counts per pixel", ellipses=shown.ellipses,
                truth=shown.truth, centre=centre, width=side,
            ),
            caption=f"**The strongest candidate from near by**, {what}. {told}",
            alt=f"Close-up of the strongest candidate with its error ellipses, {name}.",
        )  # fmt: skip


def _add_candidates(block: Block, found: Sequence[Facts]) -> None:
    block.table(
        [{**one, "excess": _with_error(one)} for one in found],
        columns=[
            Column("ra", "RA", format=".4f", unit="deg"),
            Column("dec", "Dec", format=".4f", unit="deg"),
            Column("err68", "Stated 68 %", format=".4f", unit="deg"),
            Column("distance", "True error", format=".4f", unit="deg"),
            Column("excess", "Excess", format=".0f"),
            Column("significance", "Significance", format=".1f"),
            Column("false_alarms", "False alarms", format=".1g"),
            *([Column("flags", "Flags")] if any(one["flags"] for one in found) else []),
        ],
        caption="Candidates of this field. Excess with its 68 % interval; false alarms per field "
        "at least as strong.",
    )


def _with_error(one: Facts) -> Interval:
    value, error = one["excess"], one["excess_error"]
    return Interval(value, value - error, value + error, _ONE_SIGMA)


@dataclass(frozen=True)
class _Shown:
    """The maps of a field, and what is marked on them."""

    grid: TangentGrid
    table: FeatureTable
    ellipses: tuple[SkyEllipse, ...]
    truth: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, field: Facts, table: FeatureTable) -> "_Shown":
        grid = TangentGrid(
            field["ra"], field["dec"], field["n_x"], field["n_y"], field["pixel_size"]
        )
        ellipses = tuple(
            SkyEllipse(one["ra"], one["dec"], one["major"], one["minor"], one["angle"])
            for one in field["candidates"]
        )
        truth = tuple((one["ra"], one["dec"]) for one in field["sources"])
        return cls(grid, table, ellipses, truth)

    def image(self, name: str) -> SkyImage:
        """Return a map as it is."""
        return SkyImage(self.table[name].reshape(self.grid.shape), self.grid)

    def smooth(self, name: str) -> SkyImage:
        """Return a map smoothed for the eye, counts per square degree."""
        values = self.table[name].reshape(self.grid.shape).astype(np.float64)
        smooth = gaussian_filter(values, _SMOOTHING / self.grid.pixel_size, mode="constant")
        return SkyImage(smooth / self.grid.pixel_size**2, self.grid)


def _told(field: Facts) -> str:
    found = field["candidates"]
    if not found:
        return (
            f"Nothing reaches the {field['level']:.1f} standard deviations that 0.01 false alarms "
            "per field ask for: a source this faint is missed about as often as found."
        )
    best = found[0]
    told = "candidate" if len(found) == 1 else "candidates"
    return (
        f"{len(found)} {told}; the strongest with {best['significance']:.1f} standard deviations, "
        f"{3600 * best['distance']:.0f} arc seconds from the truth."
    )
