"""Prediction from files: every row, in its order, in bounded memory, and whole or not at all."""

import numpy as np
import pytest
from scipy.special import expit, logit

from skysift.core.errors import ConfigError, ContractError, OutputError
from skysift.core.provenance import Provenance
from skysift.core.registry import load_task
from skysift.data.io import open_writer, read_table
from skysift.tasks.gamma_hadron.options import PredictOptions, ReadOptions
from skysift.tasks.gamma_hadron.prediction import predict_table
from skysift.tasks.gamma_hadron.synth import COLUMNS, synthetic_events

TASK = load_task("gamma-hadron")


@pytest.fixture
def predict(small_bundle):
    model = TASK.load(small_bundle)

    def run(paths, out, *, read=None, **options):
        return TASK.predict_files(
            paths,
            out,
            model,
            read or ReadOptions(),
            PredictOptions(**options),
            provenance=Provenance.start("skysift predict", inputs=paths),
        )

    return run


def test_a_stream_tells_what_is_wrong_with_its_column_map_before_the_first_table(small_bundle):
    model = TASK.load(small_bundle)
    with pytest.raises(ConfigError, match="nowhere"):
        TASK.stream(model, ReadOptions(columns="nowhere.toml"), PredictOptions())


def store(table, path):
    with open_writer(path) as writer:
        writer.write(table)
    return path


def spoilt_events(n=300):
    table, _ = synthetic_events(n, np.random.default_rng(8))
    width, alpha = table["width"].copy(), table["alpha"].copy()
    width[[0, 100, 299]] = [np.nan, -1.0, np.inf]
    alpha[[1, 200]] *= -1
    columns = {"width": width, "alpha": alpha, "event": np.arange(n)}
    return table.with_columns(columns, units={"width": "mm", "alpha": "deg"})


@pytest.mark.parametrize("batch_rows", [3, 100, 1000])
def test_the_size_of_a_batch_changes_nothing(predict, tmp_path, batch_rows):
    path = store(spoilt_events(), tmp_path / "in.parquet")
    counts = predict([path], tmp_path / "out.parquet", batch_rows=batch_rows)
    whole = tmp_path / "whole.parquet"
    predict([path], whole)
    assert counts == {"accepted": 295, "repaired": 2, "rejected": 3}
    found, expected = read_table(tmp_path / "out.parquet"), read_table(whole)
    assert found["event"].tolist() == list(range(300))
    np.testing.assert_allclose(found["gammaness"], expected["gammaness"], atol=1e-5)
    assert found["flags"].tolist() == expected["flags"].tolist()


def test_rejected_rows_stay_where_they_are_with_a_reason(predict, tmp_path):
    predict([store(spoilt_events(), tmp_path / "in.parquet")], tmp_path / "out.parquet")
    out = read_table(tmp_path / "out.parquet")
    assert np.flatnonzero(np.isnan(out["gammaness"])).tolist() == [0, 100, 299]
    flags = out["flags"]
    assert (flags[0], flags[100], flags[299], flags[1]) == (
        "not-finite-width",
        "negative-width",
        "not-finite-width",
        "alpha-was-folded",
    )


def test_several_files_follow_one_another(predict, tmp_path):
    table = spoilt_events()
    first = store(table.take(np.arange(200)), tmp_path / "a.parquet")
    second = store(table.take(np.arange(200, 300)), tmp_path / "b.fits")
    predict([first, second], tmp_path / "out.parquet")
    assert read_table(tmp_path / "out.parquet")["event"].tolist() == list(range(300))


def test_the_order_of_rows_does_not_matter(small_model):
    table = spoilt_events()
    turned = table.take(np.arange(300)[::-1])
    first, second = (predict_table(t, small_model, PredictOptions()) for t in (table, turned))
    np.testing.assert_allclose(first["gammaness"], second["gammaness"][::-1], atol=1e-6)


def test_further_columns_and_units_pass_through(predict, tmp_path):
    table = spoilt_events().with_columns({"note": np.full(300, "clear")})
    predict([store(table, tmp_path / "in.parquet")], tmp_path / "out.parquet")
    out = read_table(tmp_path / "out.parquet")
    assert set(table.columns) | {"gammaness", "gammaness_err", "flags"} == set(out.columns)
    assert set(out["note"]) == {"clear"}
    assert (out.unit("length"), out.unit("alpha")) == ("mm", "deg")


def test_an_earlier_answer_in_the_table_is_replaced(predict, tmp_path):
    path = store(spoilt_events(), tmp_path / "in.parquet")
    predict([path], tmp_path / "one.parquet")
    predict([tmp_path / "one.parquet"], tmp_path / "two.parquet")
    one, two = read_table(tmp_path / "one.parquet"), read_table(tmp_path / "two.parquet")
    np.testing.assert_array_equal(one["gammaness"], two["gammaness"])
    assert one.columns == two.columns


def test_the_provenance_says_what_the_numbers_are(predict, tmp_path, small_model):
    predict([store(spoilt_events(), tmp_path / "in.parquet")], tmp_path / "out.parquet", prior=0.01)
    provenance = read_table(tmp_path / "out.parquet").meta["provenance"]
    assert provenance["prior"] == 0.01
    assert provenance["positive_class"] == "gamma"
    assert provenance["inputs"][0]["path"].endswith("in.parquet")
    assert len(provenance["operating_points"]) == len(small_model.operating_points)


@pytest.mark.parametrize("prior", [1e-3, 0.3, 0.9])
def test_another_prior_moves_the_log_odds_by_a_constant(small_model, prior):
    table, _ = synthetic_events(200, np.random.default_rng(1))
    here = predict_table(table, small_model, PredictOptions())
    there = predict_table(table, small_model, PredictOptions(prior=prior))
    shift = logit(prior) - logit(small_model.prior)
    np.testing.assert_allclose(
        there["gammaness"], expit(logit(here["gammaness"]) + shift), rtol=1e-6
    )
    step = 1e-8  # the error is carried over by the derivative of this map
    slope = (expit(logit(here["gammaness"] + step) + shift) - there["gammaness"]) / step
    np.testing.assert_allclose(
        there["gammaness_err"], here["gammaness_err"] * slope, rtol=1e-4, atol=1e-9
    )


def test_the_prior_of_the_training_data_changes_nothing(small_model):
    table, _ = synthetic_events(100, np.random.default_rng(1))
    here = predict_table(table, small_model, PredictOptions())
    there = predict_table(table, small_model, PredictOptions(prior=small_model.prior))
    np.testing.assert_allclose(there["gammaness"], here["gammaness"], rtol=1e-9)


def test_nothing_is_written_where_an_input_is_refused_half_way(predict, tmp_path):
    good = store(spoilt_events(), tmp_path / "a.parquet")
    bad = store(spoilt_events().select(list(COLUMNS[1:])), tmp_path / "b.parquet")
    out = tmp_path / "out.parquet"
    with pytest.raises(ContractError) as caught:
        predict([good, bad], out)
    assert caught.value.path == bad
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "b.parquet"]


def test_an_earlier_output_stays_if_the_new_one_fails(predict, tmp_path):
    good = store(spoilt_events(), tmp_path / "a.parquet")
    out = tmp_path / "out.parquet"
    predict([good], out)
    before = out.read_bytes()
    bad = store(spoilt_events().select(list(COLUMNS[1:])), tmp_path / "b.parquet")
    with pytest.raises(ContractError):
        predict([bad], out)
    assert out.read_bytes() == before


def test_an_input_is_never_overwritten(predict, tmp_path):
    path = store(spoilt_events(), tmp_path / "in.parquet")
    before = path.read_bytes()
    with pytest.raises(OutputError, match="also an input"):
        predict([path], path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".ecsv", ".fits", ".vot", ".h5"])
def test_a_table_without_rows_gives_one_without_rows(predict, tmp_path, suffix):
    empty = spoilt_events().take(np.zeros(300, dtype=bool))
    path = store(empty, tmp_path / "in.parquet")
    counts = predict([path], tmp_path / f"out{suffix}")
    assert counts == {"accepted": 0, "repaired": 0, "rejected": 0}
    out = read_table(tmp_path / f"out{suffix}")
    assert len(out) == 0
    assert {"gammaness", "gammaness_err", "flags"} <= set(out.columns)
