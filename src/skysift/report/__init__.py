"""Figures (:mod:`skysift.report.plots`) and one self-contained HTML page."""

from skysift.report.page import Block, KeyNumber, Page, Section
from skysift.report.tables import Column

__all__ = ["Block", "Column", "KeyNumber", "Page", "Section"]
