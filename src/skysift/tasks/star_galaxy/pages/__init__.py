"""The reports of star-galaxy, drawn from what a run stored: nothing is trained here."""

from skysift.tasks.star_galaxy.pages.build import compare_page, evaluate_page, explore_page
from skysift.tasks.star_galaxy.pages.study import result_rows

__all__ = ["compare_page", "evaluate_page", "explore_page", "result_rows"]
