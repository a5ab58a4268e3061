"""The head of the page: what the model does, in the words of an analyst, and four numbers."""

from collections.abc import Sequence

import numpy as np

from skysift.evaluate.intervals import Interval
from skysift.report import KeyNumber, Page
from skysift.tasks.gamma_hadron.pages.study import DRAWS, SEED, Study, auc_where
from skysift.tasks.gamma_hadron.pages.words import joined, minus, p_text, percent_span, share, span

__all__ = ["add_opening", "background_rejection", "verdict"]

_SIGNIFICANT = 0.05


def add_opening(page: Page, study: Study) -> None:
    """Set the result and the key numbers."""
    name = study.reference
    kept = study.metric(name, "efficiency@0.01")
    auc = study.metric(name, "auc")
    rejection = background_rejection(study)
    loss, error = study.metric(name, "log_loss"), study.metric(name, "ece")
    text = (
        f"Let one hadron in a hundred pass, and **{study.label}** keeps "
        f"**{share(kept.value, 0)} of the gammas**. Keep half of the gammas instead, and one "
        f"hadron in {rejection.value:,.0f} is left among them."
    )
    compared = verdict(study, study.rivals())
    page.hero(
        f"{text}\n\n{compared}" if compared else text,
        [
            KeyNumber("AUC", f"{auc.value:.4f}", span(auc), _auc_note(study)),
            KeyNumber(
                "Gammas kept at background acceptance 0.01",
                share(kept.value),
                percent_span(kept),
                "efficiency; cut placed on these rows",
            ),
            KeyNumber(
                "Background rejection at half of the gammas",
                f"1 in {rejection.value:,.0f}",
                span(rejection, ",.0f"),
                "hadrons for each one that passes",
            ),
            KeyNumber(
                "Log loss",
                f"{loss.value:.4f}",
                span(loss),
                f"calibration error {share(error.value)} ({percent_span(error)})",
            ),
        ],
    )


def _auc_note(study: Study) -> str:
    impossible = study.scored.impossible
    if not impossible.any():
        return "area under the ROC curve"
    without = auc_where(study.scored, study.reference, ~impossible)
    return f"without impossible images {without.value:.4f} ({span(without)})"


def background_rejection(study: Study) -> Interval:
    """Return how many hadrons there are for each one that passes where half of the gammas do.

    The threshold is the median gammaness of the gammas. Each bootstrap draw takes it anew, and the
    number of hadrons above it from the binomial law that drawing hadrons again follows.
    """
    y = study.scored.is_gamma
    gammas, hadrons = study.gammaness[y], np.sort(study.gammaness[~y])
    n = len(hadrons)
    rng = np.random.default_rng(SEED)
    cuts = np.median(rng.choice(gammas, size=(DRAWS, len(gammas))), axis=1)
    passing = (n - np.searchsorted(hadrons, cuts, side="left")) / n
    drawn = rng.binomial(n, passing) / n
    value = (n - np.searchsorted(hadrons, np.median(gammas), side="left")) / n
    # One hadron at least: where none passes, the rows cannot tell more than that.
    low, high = np.quantile(1 / np.maximum(drawn, 1 / n), [0.025, 0.975])
    method = f"bootstrap, {DRAWS}"
    return Interval(float(1 / max(value, 1 / n)), float(low), float(high), method=method)


def verdict(study: Study, rivals: Sequence[str]) -> str:
    """Say for each rival whether the reference is better than it, by the paired test."""
    sentences: dict[str, list[str]] = {"better": [], "like": [], "worse": []}
    for name in rivals:
        found = study.difference(name, "auc")
        if found is None:
            continue
        gain = Interval(-found.difference.value, -found.difference.high, -found.difference.low)
        told = (
            f"{study.labels[name]} (AUC {minus(f'{gain.value:+.4f}')}, "
            f"{minus(f'{gain.low:+.4f}')} to {minus(f'{gain.high:+.4f}')}, {p_text(found.p_holm)})"
        )
        kind = "like" if found.p_holm >= _SIGNIFICANT else "better" if gain.value > 0 else "worse"
        sentences[kind].append(told)
    opening = {
        "better": "It **beats** ",
        "like": "These rows **cannot tell it** from ",
        "worse": "It is **beaten by** ",
    }
    told = " ".join(
        f"{opening[kind]}{joined(parts)}." for kind, parts in sentences.items() if parts
    )
    return f"{told} Same rows, DeLong's paired test, p after Holm." if told else ""
