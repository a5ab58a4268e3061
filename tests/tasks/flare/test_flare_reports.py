"""flare: what is measured, described and audited of labelled regions, with its report."""

import numpy as np
import pytest

from skysift.core.registry import bundle_folder, load_task
from skysift.report.run_folder import read_run
from skysift.tasks.flare import gallery
from skysift.tasks.flare.made_up import made_up_regions, write_made_up
from skysift.tasks.flare.options import ReadOptions

TASK = load_task("flare")


def rng():
    return np.random.default_rng(4)


@pytest.fixture(scope="module")
def suns(tmp_path_factory):
    folder = tmp_path_factory.mktemp("suns")
    write_made_up(made_up_regions(48, rng()), folder)
    return folder


def drawn_again(run):
    first = run.page.read_text(encoding="utf-8")
    run.page.unlink()
    assert TASK.render(run.page.parent).page.read_text(encoding="utf-8") == first
    return first


def test_an_evaluation_measures_every_forecast_and_warns_of_what_the_bundle_has_seen(
    suns, tmp_path, monkeypatch
):
    monkeypatch.setattr(gallery, "_STRIDE", 16)  # coarser maps, sooner
    model = TASK.load(bundle_folder("flare"))
    run = TASK.evaluate_files(
        [suns / "regions.csv"], ReadOptions(), model, tmp_path / "run", rng(), command="x"
    )
    found = {row["metric"]: row["value"] for row in run.rows}
    forecasts = {"both", "image", "mcintosh", "persistence", "climatology"}
    for level in ("c24", "m24"):
        assert {name.split()[-1] for name in found if f"tss@{level} " in name} == forecasts
        assert found[f"tss@{level} climatology"] == 0.0
    assert "these numbers flatter it" in run.notes[-1]
    page = drawn_again(run)
    assert run.rows == TASK.render(tmp_path / "run").rows  # a run has one interval of each number
    assert "What is forecast" in page
    assert "GOES class M or stronger" in page
    assert "nan" not in page.split("<main")[1].split("<svg")[0].lower()
    assert read_run(tmp_path / "run").facts["model"] == model.name


def test_regions_are_described_and_searched_for_leaks(suns, tmp_path):
    told = TASK.explore([suns / "regions.csv"], ReadOptions(), tmp_path / "run", rng(), command="x")
    assert "48 regions" in told.title
    assert "48" in drawn_again(told)
    audit = TASK.audit([suns / "regions.csv"], ReadOptions(), rng())
    assert audit.title.startswith("Audit of regions")
