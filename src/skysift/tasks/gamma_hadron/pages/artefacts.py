"""Artefacts: what a model could learn from how a table was made."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from skysift.data.table import FeatureTable
from skysift.report import Block, Column, Page
from skysift.report.plots.explore import plot_artefact
from skysift.tasks.gamma_hadron.pages.events import LABEL, add_audit
from skysift.tasks.gamma_hadron.pages.study import CLASSES, Study, auc_where
from skysift.tasks.gamma_hadron.pages.words import minus, span
from skysift.tasks.gamma_hadron.scoring import has_impossible_concentration

__all__ = ["add_artefacts"]


def add_artefacts(
    page: Page,
    study: Study | None,
    events: FeatureTable | None,
    audit: Mapping[str, Any] | None,
) -> None:
    """Add the section on artefacts; nothing where neither events nor an audit know of any."""
    impossible = study is not None and bool(study.scored.impossible.any())
    in_events = events is not None and bool(has_impossible_concentration(events).any())
    if not (impossible or in_events or audit is not None):
        return
    section = page.section(
        "Artefacts", lead="What tells the classes apart in this table and never will on the sky."
    )
    if in_events and events is not None:
        _add_ratio(section, events)
    if impossible and study is not None:
        _add_without(section, study)
    if audit is not None:
        add_audit(section, audit)
    section.callout(
        "note",
        ("- Of the two concentrations a model sees only one: their ratio is out of its reach.\n")
        * (impossible or in_events)
        + "- Every input is rounded to 12 significant bits, a relative step of 0.02 to 0.05 %, "
        "before any feature is made: how many digits were printed can tell nothing.\n"
        "- Copies of an event never stand on both sides of a split.",
        title="What skysift does about it",
    )


def _add_ratio(block: Block, events: FeatureTable) -> None:
    two = np.asarray(events["concentration_two_pixel"], dtype=np.float64)
    one = np.asarray(events["concentration_one_pixel"], dtype=np.float64)
    is_gamma = np.asarray(events[LABEL], dtype=bool)
    inside = has_impossible_concentration(events)
    known = two > 0
    ratio = np.divide(one, two, out=np.full(len(two), np.nan), where=known)
    hadrons, gammas = int((inside & ~is_gamma).sum()), int((inside & is_gamma).sum())
    block.figure(
        plot_artefact(
            ratio,
            is_gamma,
            high=float(np.nextafter(ratio[inside].max(), 1.0)),
            label="Light of the brightest pixel / light of the two brightest",
            classes=CLASSES,
        ),
        caption="**Impossible images.** The brightest of two pixels holds at least half of their "
        f"light. {hadrons:,} hadrons and {gammas:,} gammas in the shaded region say otherwise. A "
        "model that sees both concentrations learns this, scores better, and has learnt nothing "
        "about showers.",
        alt="Density of the ratio of the two concentrations for gammas and hadrons.",
        wide=True,
    )


def _add_without(block: Block, study: Study) -> None:
    possible = ~study.scored.impossible
    every = np.ones(len(possible), dtype=bool)
    found = {
        name: (auc_where(study.scored, name, every), auc_where(study.scored, name, possible))
        for name in study.by_auc()
    }
    before, after = found[study.reference]
    change = minus(f"{after.value - before.value:+.4f}")
    block.text(
        f"{int((~possible).sum()):,} of the scored rows are such images. Without them the AUC of "
        f"{study.label} changes by {change}, to **{after.value:.4f}** ({span(after)}). A model "
        "that loses more than the others has learnt the artefact."
    )
    block.table(
        [
            {
                "model": study.labels[name],
                "all": all_rows,
                "possible": kept,
                "change": kept.value - all_rows.value,
            }
            for name, (all_rows, kept) in found.items()
        ],
        columns=[
            Column("model", "Model"),
            Column("all", "AUC, all rows", format=".4f", best="max"),
            Column("possible", "AUC, without impossible images", format=".4f", best="max"),
            Column("change", "Change", format="+.4f"),
        ],
        caption=f"AUC with DeLong's 95 % interval, on all {len(possible):,} rows and on the "
        f"{int(possible.sum()):,} whose concentrations agree.",
    )
