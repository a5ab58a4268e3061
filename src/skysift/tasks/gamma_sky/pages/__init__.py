"""The report of gamma-sky."""

from skysift.tasks.gamma_sky.pages.build import evaluate_page
from skysift.tasks.gamma_sky.pages.summary import result_rows

__all__ = ["evaluate_page", "result_rows"]
