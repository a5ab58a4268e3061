"""Simulations on disk: readable by others, repeatable, with their truth and provenance."""

import importlib
import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
from astropy.io import fits

from skysift.core.config import build_config
from skysift.core.errors import ConfigError, OutputError
from skysift.data.io.readers import read_table
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.sky.counts_map_fits import read_counts_map
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.gadf import read_events
from skysift.tasks.gamma_sky.simulation.counts import simulate_map
from skysift.tasks.gamma_sky.simulation.field import Field, Source
from skysift.tasks.gamma_sky.simulation.job import simulate_files
from skysift.tasks.gamma_sky.simulation.options import SimulateOptions
from skysift.tasks.gamma_sky.simulation.truth_files import write_truth

NORTH = "gamma/cta-caldb/Prod5-North-20deg-AverageAz-4LSTs09MSTs.180000s-v0.1.fits.gz"
QUICK = {"fields": 3, "exposure_max": 60.0, "zenith_min": 20.0, "zenith_max": 22.0, "nsb_max": 1.0}


def test_event_files_and_tables_tell_the_same_story(tmp_path):
    seen = []
    out = tmp_path / "night"
    options = SimulateOptions(**QUICK, sources_min=1)
    run = simulate_files(
        options, out, seed=4, command="skysift simulate", progress=lambda f, _: seen.append(f)
    )
    fields, sources = (read_table(out / f"{name}.ecsv") for name in ("fields", "sources"))
    assert len(fields) == len(run.rows) == 3
    assert set(sources["field"]) == {0, 1, 2}
    assert sources.unit("offset") == "deg"
    assert np.all(sources["counts"] <= sources["photons"] * 1.001)
    for number in range(3):
        path = out / f"events-{number:05}.fits.gz"
        assert fits.getval(path, "SIMULATE", "EVENTS") is True  # never to be taken for the sky
        events = read_events(path).events
        assert len(events) == fields["photons"][number]
        assert events.livetime == pytest.approx(fields["exposure"][number])
        assert events.pointing.ra == pytest.approx(fields["ra_pointing"][number])
        assert events.pointing.zenith == pytest.approx(fields["zenith"][number])
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    record = json.loads((out / "simulation.json").read_text())
    assert record["command"] == "skysift simulate"
    assert record["seeds"] == {"seed": 4}
    assert record["config"]["fields"] == 3


def test_the_same_seed_gives_the_same_files(tmp_path):
    options = SimulateOptions(**QUICK, write="maps", vary_response=True, pixels=50)
    for name in ("one", "two"):
        simulate_files(options, tmp_path / name, seed=7)
    first, second = (
        (tmp_path / name / "map-00002.fits.gz").read_bytes() for name in ("one", "two")
    )
    assert first == second
    simulate_files(options, tmp_path / "two", seed=8, overwrite=True)
    assert (tmp_path / "two" / "map-00002.fits.gz").read_bytes() != first


def test_a_folder_of_something_else_is_never_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(OutputError, match="not replaced"):
        simulate_files(SimulateOptions(**QUICK), tmp_path, overwrite=True)
    with pytest.raises(OutputError, match="exists"):
        simulate_files(SimulateOptions(**QUICK), tmp_path)


@pytest.mark.mirror
def test_a_response_file_and_truth_maps(tmp_path, mirror):
    options = SimulateOptions(
        **QUICK, irf=str(mirror / NORTH), write="maps", truth_maps=True, sources_min=2,
        sources_max=2, pixels=100, pixel_size=0.05,
    )  # fmt: skip
    simulate_files(options, tmp_path / "out", seed=1)
    record = json.loads((tmp_path / "out" / "simulation.json").read_text())
    assert record["inputs"][0]["path"].endswith("v0.1.fits.gz")
    sources = read_table(tmp_path / "out" / "sources.ecsv")
    for number in range(3):
        counts = read_counts_map(tmp_path / "out" / f"map-{number:05}.fits.gz")
        with fits.open(tmp_path / "out" / f"truth-{number:05}.fits") as hdus:
            total = float(hdus[0].data.sum()) + sum(
                float(hdus[f"SOURCE{i}"].data.sum()) for i in range(2)
            )
            rows = sources["counts"][sources["field"] == number]
            np.testing.assert_allclose(hdus["TRUTH"].data["counts"], rows)
            np.testing.assert_allclose(
                [hdus[f"SOURCE{i}"].data.sum() for i in range(2)], rows, rtol=1e-4
            )
        assert counts.counts.sum() == pytest.approx(total, abs=5 * np.sqrt(total))


def test_gammapy_reads_the_truth(tmp_path, rng):
    field = Field(Pointing(80.0, 20.0), 100.0, (Source(80.5, 20.2),))
    _, truth = simulate_map(field, AnalyticResponse(), rng)
    write_truth(truth, tmp_path / "truth.fits")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("gammapy", reason="gammapy is not installed")
        read = importlib.import_module("gammapy.maps").Map.read(tmp_path / "truth.fits")
    np.testing.assert_allclose(read.data, truth.expectation.background)
    np.testing.assert_allclose(
        read.geom.axes["energy"].edges.to_value("TeV"), truth.expectation.energy_edges
    )


def test_a_field_without_sources_has_a_truth(tmp_path, rng):
    _, truth = simulate_map(Field(Pointing(80.0, 20.0)), AnalyticResponse(), rng)
    assert truth.rows() == []
    write_truth(truth, tmp_path / "truth.fits")
    with fits.open(tmp_path / "truth.fits") as hdus:
        assert len(hdus["TRUTH"].data) == 0


@pytest.mark.parametrize(
    "wrong", [{"flux_min": 5.0}, {"emin": 2.0}, {"irf": "a.fits", "vary_response": True}]
)
def test_options_that_contradict_one_another(wrong):
    with pytest.raises(ConfigError):
        build_config(SimulateOptions, wrong)


def test_options_are_light():
    """The command line reads the options of all tasks: nothing heavy may come with them."""
    code = (
        "import sys, skysift.tasks.gamma_sky.simulation.options\n"
        "print(sorted({'numpy', 'astropy', 'scipy', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
