"""Each row is accepted, repaired or rejected; the three add up."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysift.data.contract import Checked, Finding, Verdict
from skysift.data.table import FeatureTable

N = 12
FINDINGS = st.lists(
    st.builds(
        lambda code, verdict, rows: Finding(
            code, verdict, f"found {code}", np.array(sorted(rows), dtype=np.int64)
        ),
        st.sampled_from(["nan-width", "was-folded", "far-away"]),
        st.sampled_from(list(Verdict)),
        st.sets(st.integers(0, N - 1)),
    ),
    max_size=5,
)


def checked_with(findings):
    usable = np.ones(N, dtype=bool)
    for finding in findings:
        if finding.verdict is Verdict.REJECTED:
            usable[finding.rows] = False
    return Checked(FeatureTable.from_columns({"x": np.arange(N)}), usable, tuple(findings))


@given(FINDINGS)
def test_every_row_is_counted_once(findings):
    checked = checked_with(findings)
    assert sum(checked.counts.values()) == N
    assert checked.counts["rejected"] == np.sum(~checked.usable)


@given(FINDINGS)
def test_every_rejected_or_repaired_row_says_why(findings):
    checked = checked_with(findings)
    flags = checked.flags()
    assert len(flags) == N
    for row, flag in enumerate(flags):
        codes = [finding.code for finding in findings if row in finding.rows]
        assert flag == ",".join(codes)
    assert all(flags[row] for row in np.flatnonzero(~checked.usable))


def test_a_rejected_row_is_not_also_counted_as_repaired():
    both = [
        Finding("was-folded", Verdict.REPAIRED, "", np.array([0, 1])),
        Finding("nan-width", Verdict.REJECTED, "", np.array([1])),
        Finding("far-away", Verdict.NOTED, "", np.array([2])),
    ]
    checked = checked_with(both)
    assert checked.counts == {"accepted": N - 2, "repaired": 1, "rejected": 1}
    assert checked.flags()[1] == "was-folded,nan-width"


def test_a_finding_shows_its_first_rows_only():
    found = Finding("nan-width", Verdict.REJECTED, "'width' is NaN", np.arange(1000)).to_dict()
    assert json.loads(json.dumps(found)) == {
        "code": "nan-width",
        "verdict": "rejected",
        "message": "'width' is NaN",
        "n": 1000,
        "first_rows": [0, 1, 2, 3, 4],
    }


@pytest.mark.parametrize("verdict", list(Verdict))
def test_verdicts_are_words(verdict):
    assert f"{verdict}" in {"noted", "repaired", "rejected"}
