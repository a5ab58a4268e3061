"""The report, put together from its sections."""

from collections.abc import Callable

from skysift.report import KeyNumber, Page
from skysift.report.closing import add_how_to_repeat, provenance_facts
from skysift.report.run_folder import RunRecord
from skysift.tasks.gamma_sky.pages.counts import add_counts
from skysift.tasks.gamma_sky.pages.hess import add_hess
from skysift.tasks.gamma_sky.pages.night import add_night
from skysift.tasks.gamma_sky.pages.precision import (
    add_comparison,
    add_efficiency,
    add_far,
    add_precision,
)
from skysift.tasks.gamma_sky.pages.published import add_published, stored_costs
from skysift.tasks.gamma_sky.pages.reading import (
    FREE,
    GAMMAPY,
    Facts,
    estimate,
    only,
    signed,
)
from skysift.tasks.gamma_sky.pages.speed import add_speed
from skysift.tasks.gamma_sky.pages.trust import add_false_alarms, add_pairs, add_robustness

__all__ = ["evaluate_page"]

_FAINT, _BRIGHT = 0.1, 1.0
_SECTIONS: dict[str, Callable[[Page, Facts], None]] = {
    "outliers": add_far,
    "false_alarms": add_false_alarms,
    "pairs": add_pairs,
    "robustness": add_robustness,
    "timing": add_speed,
}


def evaluate_page(record: RunRecord) -> Page:
    """Return the report of an evaluation on simulated fields.

    Parameters
    ----------
    record : RunRecord
        Of `evaluate_sky`. What was not studied has no section.
    """
    facts = record.facts
    low, high = facts["energies"]
    page = Page(
        title="New sources on the gamma-ray sky",
        subtitle=f"Fields of {facts['exposure']:g} s, {low:g} to {high:g} TeV, simulated with "
        f"{facts['truth']}",
        provenance=provenance_facts(record),
    )
    if "localisation" in facts:
        _add_opening(page, facts)
    if "night" in facts:
        add_night(page, facts, record.table("night"))
    if "localisation" in facts:
        add_comparison(page, facts)
        add_precision(page, facts)
        add_efficiency(page, facts)
    if "counts" in facts:
        add_counts(page, facts, record.table("counts"))
    for study, add in _SECTIONS.items():
        if study in facts:
            add(page, facts)
    if "hess" in facts:
        windows = record.table("hess") if record.has_table("hess") else None
        add_hess(page, facts, windows)
    costs = stored_costs()
    if costs is not None:
        add_published(page, costs)
    add_how_to_repeat(page, record)
    return page


def _add_opening(page: Page, facts: Facts) -> None:
    study = facts["localisation"]
    bright = only(study["localisation"], method=FREE, flux=_BRIGHT)[0]
    faint = only(study["efficiency"], method=FREE, flux=_FAINT)
    error = estimate(bright["error68"])
    numbers, sentences = [], []
    if error is not None:
        sentences.append(
            f"A new source as bright as the Crab is placed to **{3600 * error.value:.0f} arc "
            f"seconds** (68 %) in {facts['exposure']:g} seconds, without any instrument response."
        )
        bound = bright["bound68"]
        note = "" if bound is None else f"{error.value / bound:.2f} times the Cramer-Rao bound"
        numbers.append(
            KeyNumber(
                "68 % error at 1 Crab, IRF-free",
                f"{error.value:.4f} deg",
                f"{error.low:.4f} to {error.high:.4f}",
                note,
            )
        )
    found = estimate(faint[0]) if faint else None
    if found is not None:
        sentences.append(_against_gammapy(study, found.value))
        numbers.append(
            KeyNumber(
                "Found at 0.1 Crab, IRF-free",
                f"{100 * found.value:.0f} %",
                f"{100 * found.low:.0f} to {100 * found.high:.0f} %",
                "one false alarm in a hundred fields",
            )
        )
    if "counts" in facts:
        numbers.append(_count_number(facts))
    if "timing" in facts:
        numbers.append(_time_number(facts))
    page.hero(" ".join(sentence for sentence in sentences if sentence), numbers)


def _against_gammapy(study: Facts, share: float) -> str:
    theirs = only(study["efficiency"], method=GAMMAPY, flux=_FAINT)
    one = estimate(theirs[0]) if theirs else None
    told = f"At a tenth of that, **{100 * share:.0f} %** of the sources are found"
    if one is None:
        return f"{told}."
    return (
        f"{told}; gammapy's blind search, which knows the response, finds {100 * one.value:.0f} %."
    )


def _count_number(facts: Facts) -> KeyNumber:
    overall = only(facts["counts"]["groups"], by="all", method=FREE)[0]
    bias, width = estimate(overall["bias"]), estimate(overall["pull_width"])
    if bias is None or width is None:
        return KeyNumber("Bias of the counts", "not known")
    return KeyNumber(
        "Bias of the counts, IRF-free",
        f"{signed(bias.value)} %",
        f"{signed(bias.low)} to {signed(bias.high)} %",
        f"pull width {width.value:.2f}; zenith 0 to 60 deg, 30 to 1800 s",
    )


def _time_number(facts: Facts) -> KeyNumber:
    whole = only(facts["timing"]["stages"], method=FREE, stage="all")[0]
    return KeyNumber(
        "Photons to candidates",
        f"{whole['value']:.0f} ms",
        f"99th percentile {whole['p99']:.0f} ms",
        "one core, ellipses included",
    )
