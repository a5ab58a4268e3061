"""Labels of events, mended where the spelling is plain, rejected where it is not."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from skysift.core.suggest import nearest
from skysift.data.columns import ColumnMap
from skysift.data.contract import Checked, Finding, Verdict
from skysift.data.table import FeatureTable

__all__ = ["Labels", "label_rows"]

_SYNONYMS = {
    "signal": ("g", "gamma", "gammas", "signal", "photon"),
    "background": ("h", "hadron", "hadrons", "background", "proton", "protons"),
}


@dataclass(frozen=True)
class Labels:
    """The class of each row, and which labels had to be read with goodwill.

    Parameters
    ----------
    is_gamma : array of bool, shape (n,)
        The class; False where it is not known.
    respelt, unknown : array of int
        Rows whose label was mended, and rows whose label is neither class.
    spellings : tuple of str
        What the unknown and respelt labels looked like.
    """

    is_gamma: NDArray[np.bool_]
    respelt: NDArray[np.int64]
    unknown: NDArray[np.int64]
    spellings: tuple[str, ...] = ()

    @classmethod
    def merge(cls, parts: Sequence[Self]) -> Self:
        """Put the labels of consecutive parts of a table together."""
        offsets = np.cumsum([0, *(len(part.is_gamma) for part in parts)])
        pairs = list(zip(parts, offsets[:-1], strict=True))
        return cls(
            np.concatenate([part.is_gamma for part in parts]),
            np.concatenate([part.respelt + offset for part, offset in pairs]),
            np.concatenate([part.unknown + offset for part, offset in pairs]),
            tuple(sorted({text for part in parts for text in part.spellings})),
        )

    def apply(self, checked: Checked) -> Checked:
        """Add to a contract what was found about the labels; unknown ones reject their rows."""
        shown = ", ".join(f"'{text}'" for text in self.spellings[:5])
        findings = list(checked.findings)
        usable = checked.usable.copy()
        if self.respelt.size:
            message = f"a label was read as the class it is nearest to ({shown})"
            findings.append(Finding("label-respelt", Verdict.REPAIRED, message, self.respelt))
        if self.unknown.size:
            message = f"a label is neither gamma nor hadron ({shown})"
            findings.append(Finding("label-unknown", Verdict.REJECTED, message, self.unknown))
            usable[self.unknown] = False
        return replace(checked, usable=usable, findings=tuple(findings))


def label_rows(
    table: FeatureTable,
    column_map: ColumnMap,
    *,
    file_class: Literal["signal", "background"] | None = None,
) -> Labels:
    """Read the class of each row.

    Parameters
    ----------
    table : FeatureTable
        Events of one file, with its label column if it has one.
    column_map : ColumnMap
        Names the label column and its values.
    file_class : {"signal", "background"}, optional
        The class of all rows, where the file holds one class.

    Raises
    ------
    ContractError
        If nothing tells the class.
    """
    none = np.empty(0, dtype=np.int64)
    label = column_map.label
    if file_class is not None or label is None or label.column is None:
        return Labels(column_map.labels(table, file_class=file_class).astype(bool), none, none)
    values, codes = np.unique(_plain(table[label.column]), return_inverse=True)
    verdicts = [_read(value, label.signal, label.background) for value in values.tolist()]
    known = np.array([verdict for verdict, _ in verdicts], dtype=object)[codes]
    mended = np.array([was_mended for _, was_mended in verdicts], dtype=bool)[codes]
    odd = [str(value) for value, (verdict, was) in zip(values, verdicts, strict=True)
           if was or verdict is None]  # fmt: skip
    is_none = np.array([verdict is None for verdict in known], dtype=bool)
    return Labels(
        np.array([verdict == "signal" for verdict in known], dtype=bool),
        np.flatnonzero(mended & ~is_none),
        np.flatnonzero(is_none),
        tuple(odd),
    )


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind == "O":
        return np.array([_text(value) for value in values])
    return values


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _read(value: Any, signal: Sequence[Any], background: Sequence[Any]) -> tuple[str | None, bool]:
    """Return the class of a label and whether its spelling had to be mended."""
    if value in signal or value in background:
        return ("signal" if value in signal else "background"), False
    text = str(value).strip().lower()
    spellings = {str(word).lower(): "signal" for word in (*_SYNONYMS["signal"], *signal)}
    spellings |= {
        str(word).lower(): "background" for word in (*_SYNONYMS["background"], *background)
    }
    if text in spellings:
        return spellings[text], True
    near = nearest(text, [word for word in spellings if len(word) > 1]) if len(text) > 1 else None
    return (None, False) if near is None else (spellings[near], True)
