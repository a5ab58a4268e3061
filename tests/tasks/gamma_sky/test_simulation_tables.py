"""The options of a simulation with their units, and its tables with theirs."""

import numpy as np
import pytest

from skysift.core.config import build_config
from skysift.core.errors import ConfigError
from skysift.data.io.readers import read_table
from skysift.tasks.gamma_sky.observations import read_observations
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.simulation.job import simulate_files
from skysift.tasks.gamma_sky.simulation.options import SimulateOptions
from skysift.tasks.gamma_sky.simulation.truth_files import FIELD_COLUMNS, SOURCE_COLUMNS

QUICK = {"fields": 2, "exposure_max": 30.0, "pixels": 40, "pixel_size": 0.1}


def test_quantities_are_those_of_a_prediction():
    options = build_config(
        SimulateOptions,
        {"emin": "0.4TeV", "emax": "5e4GeV", "exposure_min": "5min", "exposure_max": "0.5h"},
    )
    assert options.emin == pytest.approx(0.4)
    assert options.emax == pytest.approx(50.0)
    assert (options.exposure_min, options.exposure_max) == (300.0, 1800.0)
    assert SimulateOptions(emin=0.4, exposure_min=20) == build_config(
        SimulateOptions, {"emin": "0.4", "exposure_min": "20"}
    )


@pytest.mark.parametrize(("key", "text"), [("emin", "0.4parsec"), ("exposure_min", "5 parsec")])
def test_other_quantities_are_refused(key, text):
    with pytest.raises(ConfigError, match="is not a quantity like"):
        build_config(SimulateOptions, {key: text})


@pytest.mark.parametrize("options", [ReadOptions, SimulateOptions])
@pytest.mark.parametrize(("text", "said"), [("400meV", "write MeV"), ("4 peV", "write PeV")])
def test_capitals_that_make_another_unit_are_not_guessed(options, text, said):
    with pytest.raises(ConfigError, match=said):
        build_config(options, {"emin": text})
    right = text.replace("meV", "MeV").replace("peV", "PeV")
    assert build_config(ReadOptions, {"emin": right, "emax": "9PeV"}).emin > 0
    assert PredictOptions(window="5MIN").window == 300


@pytest.mark.parametrize("n_sources", [0, 2])
def test_tables_have_the_same_columns_with_and_without_sources(tmp_path, n_sources):
    options = SimulateOptions(**QUICK, sources_min=n_sources, sources_max=n_sources)
    simulate_files(options, tmp_path / "night", seed=3)
    sources, fields = (
        read_table(tmp_path / "night" / f"{one}.ecsv") for one in ("sources", "fields")
    )
    assert len(sources) == 2 * n_sources
    assert len(fields) == 2
    assert sources.columns == list(SOURCE_COLUMNS)
    assert sorted(fields.columns) == sorted(FIELD_COLUMNS)
    assert sources["field"].dtype == np.int64
    for table, columns in ((sources, SOURCE_COLUMNS), (fields, FIELD_COLUMNS)):
        for name, (unit, description) in columns.items():
            assert table.unit(name) == unit
            stored = table.arrow.schema.field(name).metadata
            assert description.encode() in stored.values()
    observed = read_observations([tmp_path / "night"], ReadOptions())
    assert [item.truth.shape for item in observed.items] == [(n_sources, 2)] * 2
