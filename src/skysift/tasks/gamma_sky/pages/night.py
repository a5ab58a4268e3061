"""The night in pictures."""

from skysift.data.sky.tangent import TangentGrid
from skysift.data.table import FeatureTable
from skysift.report import Block, Column, Page, Section
from skysift.report.plots.sky import SkyEllipse, SkyImage, plot_sky_map
from skysift.tasks.gamma_sky.pages.reading import Facts

__all__ = ["add_night"]

_CLOSE = 0.7  # deg: side of the close-up
_WORDS = {1: "one new source", 2: "two new sources"}


def add_night(page: Page, facts: Facts, table: FeatureTable) -> None:
    """Add the fields of the simulated night."""
    night = facts["night"]
    fields = night["fields"]
    section = page.section(
        "A night under this sky",
        lead=f"{len(fields)} simulated fields of {night['exposure']:g} s each. The search has no "
        "instrument response: it takes the background from the map itself.",
    )
    for number, field in enumerate(fields):
        chosen = table.take(table["field"] == number)
        _add_field(section, number, field, chosen)


def _add_field(block: Section, number: int, field: Facts, table: FeatureTable) -> None:
    grid = TangentGrid(field["ra"], field["dec"], field["n_x"], field["n_y"], field["pixel_size"])
    images = {
        name: SkyImage(table[name].reshape(grid.shape), grid)
        for name in ("raw", "cleaned", "residual", "filtered")
    }
    sources, found = field["sources"], field["candidates"]
    fluxes = " and ".join(f"{one['flux']:g} Crab" for one in sources)
    what = _WORDS.get(len(sources), f"{len(sources)} new sources")
    part = block.subsection(f"Field {number + 1}: {what}, {fluxes}", lead=_told(field))
    ellipses = [
        SkyEllipse(one["ra"], one["dec"], one["major"], one["minor"], one["angle"]) for one in found
    ]
    truth = [(one["ra"], one["dec"]) for one in sources]
    part.figure(
        plot_sky_map(images["raw"], label="counts", truth=truth),
        caption=f"**Raw counts**: {field['counts']:,.0f} photons, nearly all of them cosmic rays "
        "that look like gamma rays. The cross marks the truth.",
        alt="Map of raw counts of a simulated field.",
    )
    part.figure(
        plot_sky_map(
            images["filtered"], label="standard deviations", scale="significance",
            ellipses=ellipses,
        ),
        caption="**What the likelihood-ratio filter sees**: each photon weighed by its energy and "
        "place. Rings mark candidates.",
        alt="Filtered map of the same field with its candidates.",
    )  # fmt: skip
    part.figure(
        plot_sky_map(images["cleaned"], label="source counts", ellipses=ellipses),
        caption=f"**Cleaned**: {field['cleaned']:,.0f} counts are the sources'. Nothing is "
        "rescaled: cleaned, background and residual add up to the raw counts in every pixel.",
        alt="Cleaned map of the same field.",
    )
    part.figure(
        plot_sky_map(images["residual"], label="counts", scale="difference"),
        caption="**What is left** after sources and background: noise, without a trace of the "
        "source, if both are right.",
        alt="Residual map of the same field.",
    )
    if found:
        _add_close_up(part, images["raw"], found[0], ellipses, truth)
        _add_candidates(part, found)


def _add_close_up(
    block: Block,
    image: SkyImage,
    best: Facts,
    ellipses: list[SkyEllipse],
    truth: list[tuple[float, float]],
) -> None:
    block.figure(
        plot_sky_map(
            image, label="counts", ellipses=ellipses, truth=truth,
            centre=(best["ra"], best["dec"]), width=_CLOSE,
        ),
        caption=f"**Close-up of the strongest candidate**: {best['distance']:.4f} deg from the "
        f"truth (cross), stated 68 % radius {best['err68']:.4f} deg. Ellipses hold 68 % (line) and "
        "95 % (dashes).",
        alt="Close-up of raw counts about the strongest candidate with its error ellipses.",
    )  # fmt: skip


def _add_candidates(block: Block, found: list[Facts]) -> None:
    block.table(
        found,
        columns=[
            Column("ra", "RA", format=".4f", unit="deg"),
            Column("dec", "Dec", format=".4f", unit="deg"),
            Column("err68", "68 % radius", format=".4f", unit="deg"),
            Column("distance", "From the truth", format=".4f", unit="deg"),
            Column("excess", "Excess", format=".1f", unit="counts"),
            Column("excess_error", "+/-", format=".1f"),
            Column("significance", "Significance", format=".1f"),
            Column("false_alarms", "False alarms per field", format=".1g"),
            Column("flags", "Flags"),
        ],
        caption="Candidates of this field, as the search lists them.",
    )


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
