"""The audit as a whole: it finds what was planted, and stays quiet on clean tables."""

import json

import numpy as np
import pyarrow as pa
import pytest

from skysift.core.errors import ContractError
from skysift.data.table import FeatureTable
from skysift.evaluate.audit import AuditReport, Severity, audit


def clean_columns(rng, y):
    """Honest features of several shapes, some of which separate the classes well."""
    n = len(y)
    return {
        "gaussian": rng.normal(size=n) + 2.0 * y,
        "well_separated": rng.normal(size=n) + 3.0 * y,
        "alpha": np.where(y, np.abs(rng.normal(0, 8, n)), rng.uniform(0, 90, n)).clip(0, 90),
        "size": rng.lognormal(0.5 * y, 1.2),
        "ratio": rng.beta(2 + y, 3),
        "pixels": rng.poisson(np.where(y, 4, 9)).astype(float),
        "rounded": np.round(30 * rng.normal(size=n) + 10 * y, 2),
    }


def codes(report: AuditReport) -> set[str]:
    return {finding.code for finding in report.findings}


@pytest.mark.parametrize("seed", range(4))
def test_a_clean_table_raises_nothing(seed):
    rng = np.random.default_rng(seed)
    n = (600, 4000)[seed % 2]
    y = rng.random(n) < rng.uniform(0.2, 0.8)
    columns = clean_columns(rng, y)
    features = list(columns)
    columns["time"] = rng.uniform(0, 100, n)
    columns["file"] = np.array([f"run_{i:03d}.fits" for i in rng.integers(0, 20, n)])
    report = audit(
        FeatureTable.from_columns(columns),
        y,
        features=features,
        split=rng.integers(0, 5, n),
        rng=rng,
    )
    assert report.findings == ()


def test_planted_leaks_are_all_found(rng):
    n = 3000
    y = np.repeat([True, False], n // 2)
    columns = clean_columns(rng, y)
    columns["gaussian"][~y & (rng.random(n) < 0.1)] = np.nan
    columns["size"] = np.where(y, np.round(columns["size"], 2), columns["size"])
    features = list(columns)
    columns["file"] = np.array([f"{'gamma' if s else 'proton'}_{i}" for i, s in enumerate(y)])
    columns["night"] = np.where(y, rng.uniform(0, 10, n), rng.uniform(5, 15, n))
    columns["label"] = np.where(y, "g", "h")
    report = audit(FeatureTable.from_columns(columns), y, features=features, rng=rng)
    assert codes(report) == {
        "missing-values",
        "number-format",
        "row-order",
        "label-column",
        "telling-column",
    }
    severity = {finding.columns: finding.severity for finding in report.findings}
    assert severity[("file",)] is Severity.HIGH
    assert severity[("night",)] is Severity.MEDIUM
    assert severity[("label",)] is Severity.LOW


def test_a_non_monotonic_column_that_tells_the_class_is_found(rng):
    y = rng.random(4000) < 0.5
    run = np.where(y, 2 * rng.integers(0, 10, 4000), 2 * rng.integers(0, 10, 4000) + 1)
    table = FeatureTable.from_columns({"x": rng.normal(size=4000), "run": run})
    (finding,) = audit(table, y, features=["x"], rng=rng).findings
    assert (finding.code, finding.columns) == ("telling-column", ("run",))
    assert finding.evidence["auc"] == pytest.approx(1.0)


def test_groups_torn_by_the_split_and_groups_of_one_class(rng):
    y = np.repeat([True, False], 1000)
    groups = np.arange(2000) // 100
    split = np.arange(2000) % 2
    order = rng.permutation(2000)
    table = FeatureTable.from_columns({"x": rng.normal(size=2000)})
    report = audit(table, y[order], groups=groups[order], split=split, rng=rng)
    assert codes(report) == {"groups-across-split", "telling-group"}
    assert report.with_code("groups-across-split")[0].evidence["n_torn"] == 20
    whole = audit(table, y[order], groups=groups[order], split=groups[order] % 2, rng=rng)
    assert codes(whole) == {"telling-group"}


def test_the_gravest_findings_come_first_and_the_report_is_json(rng):
    y = np.repeat([True, False], 500)
    x = rng.normal(size=1000)
    x[:20] = x[20:40]
    table = FeatureTable.from_columns({"x": x, "y2": y + 0.01 * rng.normal(size=1000)})
    report = audit(table, y, rng=rng)
    ranks = [finding.severity.rank for finding in report.findings]
    assert ranks == sorted(ranks)
    back = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert sum(back["counts"].values()) == len(report.findings) == len(report.to_rows())
    assert back["n_signal"] == 500


def test_the_same_seed_gives_the_same_report():
    rng = np.random.default_rng(3)
    y = rng.random(1500) < 0.4
    table = FeatureTable.from_columns(clean_columns(rng, y) | {"t": y + rng.normal(size=1500)})
    first, second = (
        audit(table, y, features=["gaussian", "size"], rng=np.random.default_rng(9)).to_dict()
        for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize(
    ("y", "kwargs", "message"),
    [
        ([True] * 4, {}, "one class"),
        ([1, 0, 1, 0], {}, "one boolean per row"),
        ([True, False], {}, "one boolean per row"),
        ([True, False, True, False], {"features": ["name"]}, "not numeric"),
        ([True, False, True, False], {"split": [0, 1]}, "split"),
        ([True, False, True, False], {"groups": [0, 1]}, "groups"),
        ([True, False, True, False], {"raw_text": {"x": ["1"]}}, "raw text"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(rng, y, kwargs, message):
    table = FeatureTable.from_columns({"x": [1.0, 2.0, 3.0, 4.0], "name": list("abcd")})
    with pytest.raises(ContractError) as refused:
        audit(table, y, rng=rng, **kwargs)
    assert message in str(refused.value)


@pytest.fixture(scope="module")
def magic(mirror):
    names = ["fLength", "fWidth", "fSize", "fConc", "fConc1"]
    names += ["fAsym", "fM3Long", "fM3Trans", "fAlpha", "fDist"]
    lines = (mirror / "magic" / "magic04.data").read_text().split()
    rows = [line.split(",") for line in lines]
    text = {name: [row[j] for row in rows] for j, name in enumerate(names)}
    columns = {name: np.array(values, dtype=float) for name, values in text.items()}
    columns["class"] = [row[-1] for row in rows]
    mm = dict.fromkeys(("fLength", "fWidth", "fAsym", "fM3Long", "fM3Trans", "fDist"), "mm")
    table = FeatureTable.from_columns(columns, units=mm | {"fAlpha": "deg", "fSize": "dex"})
    held_out = np.zeros(len(rows), dtype=bool)
    held_out[np.loadtxt(mirror / "magic" / "test_rows.txt", dtype=int)] = True
    return table, np.array([row[-1] == "g" for row in rows]), names, text, held_out


@pytest.mark.mirror
@pytest.mark.parametrize("with_text", [False, True])
def test_magic_artefacts_are_found_without_being_told(magic, with_text):
    table, y, names, text, held_out = magic
    report = audit(
        table,
        y,
        features=names,
        split=held_out,
        raw_text=text if with_text else None,
        rng=np.random.default_rng(1),
    )
    digits, region = sorted(report.of(Severity.HIGH), key=lambda finding: finding.code)
    assert (digits.code, digits.evidence["digits"]) == ("number-format", 6)
    assert (digits.n_signal, digits.n_background) == (0, 2839)
    assert (region.code, region.evidence["combination"]) == ("pure-region", "fConc1/fConc")
    assert 0.4985 < region.evidence["high"] < 0.5
    impossible = np.flatnonzero(table["fConc1"] / table["fConc"] < 0.4985)
    assert len(impossible) == 617
    assert np.isin(impossible, region.rows).all()
    assert region.n_signal == 0
    (copies,) = report.with_code("duplicate-rows")
    assert (copies.evidence["n_pairs"], copies.n_signal) == (115, 0)
    (order,) = report.with_code("row-order")
    assert (order.evidence["n_blocks"], order.evidence["auc"]) == (2, 1.0)
    # fAlpha separates best of all and is honest: nothing may be said of it alone.
    assert all(finding.columns != ("fAlpha",) for finding in report.findings)
    # The published split keeps copies together.
    assert not report.with_code("duplicates-across-split")


@pytest.mark.mirror
def test_magic_copies_torn_by_a_careless_split_are_found(magic):
    table, y, names, _, _ = magic
    careless = np.random.default_rng(0).random(len(y)) < 0.2
    report = audit(table, y, features=names, split=careless, rng=np.random.default_rng(1))
    (torn,) = report.with_code("duplicates-across-split")
    assert torn.severity is Severity.HIGH
    assert 10 < torn.evidence["n_pairs"] < 70


@pytest.mark.parametrize(
    "columns",
    [
        {"x": [1.0, 2.0, 3.0, 4.0, 5.0] * 20},
        {"x": np.full(100, np.nan)},
        {"x": np.full(100, np.nan), "z": np.linspace(0, 1, 100) ** 2},
        {"x": np.linspace(-1e300, 1e300, 100), "z": np.linspace(0, 1e-310, 100)},
        {"name": ["a"] * 100},
        {"flag": np.arange(100) % 3 == 0, "t": np.arange(100).astype("datetime64[s]")},
    ],
)
def test_odd_columns_neither_stop_the_audit_nor_raise_findings(rng, columns):
    y = np.arange(100) // 2 % 2 == 0
    assert audit(FeatureTable.from_columns(columns), y, rng=rng).findings == ()


def test_what_cannot_be_examined_is_noted(rng):
    cutouts = pa.array([[1.0, 2.0]] * 100)
    table = FeatureTable.from_columns({"x": rng.normal(size=100), "cutout": cutouts})
    report = audit(table, rng.random(100) < 0.5, features=["x"], rng=rng)
    assert any("cutout" in note for note in report.notes)
