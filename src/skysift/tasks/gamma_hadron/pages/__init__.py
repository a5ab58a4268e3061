"""The reports of gamma-hadron, drawn from what a run stored: nothing is trained here."""

from skysift.tasks.gamma_hadron.pages.build import (
    compare_page,
    evaluate_page,
    explore_page,
    study_of,
)
from skysift.tasks.gamma_hadron.pages.study import result_rows

__all__ = ["compare_page", "evaluate_page", "explore_page", "result_rows", "study_of"]
