"""flare: disks are told by the flares before them; the list may be short, replaced or broken."""

import csv
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skysift.cli.main import build_app
from skysift.core.errors import InputError, ReadError, UsageError
from skysift.core.registry import bundle_folder
from skysift.data.io import read_table
from skysift.data.solar.catalogs.goes_class import class_of_flux, present_scale
from skysift.data.table import FeatureTable
from skysift.evaluate.forecast import brier_skill_score
from skysift.tasks.flare import prediction
from skysift.tasks.flare.disk_past import DiskPast, FlareList, learn_disk_past
from skysift.tasks.flare.magnetogram_evaluation import judge_disks
from skysift.tasks.flare.magnetograms import DISK_PAST, features_of
from skysift.tasks.flare.model import load_bundle
from skysift.tasks.flare.options import PredictOptions, ReadOptions
from skysift.tasks.flare.prediction import record_predictor

HOUR = np.timedelta64(3600, "s")


def episodes(begin="2021-01-01", days=360, seed=1):
    """Return starts and fluxes: fortnights of strong and of weak flares by turns."""
    rng = np.random.default_rng(seed)
    first = np.datetime64(begin, "s")
    start, flux = [], []
    for hour in range(0, days * 24, 3):
        active = (hour // (24 * 14)) % 2 == 0
        start.append(first + hour * HOUR + rng.integers(0, 3000) * np.timedelta64(1, "s"))
        flux.append(10 ** rng.normal(-5.6 if active else -6.3, 0.5))
    return np.array(start), np.array(flux)


def table(start, flux):
    return FeatureTable.from_columns({"start": start, "flux": flux})


def write(path, start, flux):
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["Start", "GOES Class", "Class_Type"])
        classes = class_of_flux(flux).tolist()
        for when, name in zip(start.astype(str), classes, strict=True):
            rows.writerow([when.replace("T", " "), name, name[0]])
    return path


def disk(folder, name):
    """A picture of a magnetogram without much on it."""
    y, x = np.mgrid[:512, :512] - 255.5
    grey = 127.5 + np.random.default_rng(1).normal(0, 4, x.shape)
    grey[np.hypot(x, y) > 203] = 0
    Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).save(folder / name)
    return folder / name


def predict(*words):
    words = ["predict", "flare", *map(str, words)]
    build_app(words)(words, standalone_mode=False)
    return read_table(Path(words[-1]))


def test_the_past_of_one_year_tells_the_days_of_the_next():
    head = learn_disk_past(DiskPast(table(*episodes()), "science"), folds=3)
    later = DiskPast(table(*episodes("2022-01-01", seed=2)), "science")
    time = later.times()
    event = later.flared(time)
    said = head.probability(later.features(time))
    skill = brier_skill_score(event, said, climatology=float(event.mean()))
    assert skill > 0.2
    shuffled = np.random.default_rng(3).permutation(event)
    assert brier_skill_score(shuffled, said, climatology=float(event.mean())) < 0


def test_labels_are_the_flares_of_the_next_day_alone():
    start = np.array(["2021-03-01T00:00", "2021-03-02T12:00"], "datetime64[s]")
    past = DiskPast(table(start, [2e-5, 9e-6]), "science")
    asked = ["2021-02-27T23:00", "2021-02-28T00:00", "2021-02-28T23:59", "2021-03-01T00:00"]
    assert past.flared(np.array(asked, "datetime64[s]")).tolist() == [False, True, True, False]


def test_lists_of_before_2020_are_brought_to_the_scale_of_today():
    start = np.array(["2019-12-31T23:59", "2020-01-01T00:00"], "datetime64[s]")
    np.testing.assert_allclose(present_scale([7e-6, 7e-6], start), [1e-5, 7e-6])
    old = table(start[:1], [7e-6])
    before = np.array(["2019-12-31"], "datetime64[s]")
    assert DiskPast(old, "operational").flared(before).all()
    assert not DiskPast(old, "science").flared(before).any()


def test_days_end_with_the_list_or_before_it():
    past = DiskPast(table(*episodes(days=60)), "science")
    assert past.times().max() > past.start.max() - 31 * HOUR
    assert past.times().max() < past.start.max() - 23 * HOUR
    assert past.times(date(2021, 2, 1)).max() < np.datetime64("2021-02-01") - 23 * HOUR
    assert past.times().min() >= past.start.min() + 240 * HOUR
    for short in (episodes(days=9), (np.empty(0, "datetime64[s]"), np.empty(0))):
        with pytest.raises(InputError, match="too few days"):
            DiskPast(table(*short), "science").times()


def test_magnetograms_of_the_disk_are_answered_by_the_list(tmp_path):
    start, flux = episodes("2026-01-01", days=40)
    listed = write(tmp_path / "flares.csv", start, flux)
    active = disk(tmp_path, "HMI.m2026.02.09_00.00.00.png")
    quiet = disk(tmp_path, "HMI.m2026.01.28_00.00.00.png")
    early = disk(tmp_path, "HMI.m2026.01.05_00.00.00.png")
    out = tmp_path / "out.csv"
    said = predict(active, quiet, early, "--flares", listed, "--out", out)
    assert said["model"].tolist() == [DISK_PAST, DISK_PAST, "disk"]
    short = ["flares-not-covered" in flags for flags in said["flags"].astype(str)]
    assert short == [False, False, True]
    assert said["p_m24"][0] > said["p_m24"][1] + 0.1
    np.testing.assert_array_equal(said["p_m24"], said["p_m24_disk"])
    alone = predict(active, quiet, early, "--out", tmp_path / "alone.csv")
    assert alone["model"].tolist() == ["disk"] * 3
    assert alone["p_m24"][2] == said["p_m24"][2]


def test_a_disk_that_the_list_answers_is_not_measured(tmp_path, monkeypatch):
    listed = write(tmp_path / "flares.csv", *episodes("2026-01-01", days=40))
    seen = []

    def measured(image):
        seen.append(Path(image.source).name)
        return features_of(image)

    monkeypatch.setattr(prediction, "features_of", measured)
    disks = [disk(tmp_path, f"HMI.m2026.{day}_00.00.00.png") for day in ("02.09", "01.05")]
    predict(*disks, "--flares", listed, "--out", tmp_path / "out.csv")
    assert seen == [disks[1].name]


def test_a_picture_without_a_disk_is_not_answered_by_the_list(tmp_path):
    listed = write(tmp_path / "flares.csv", *episodes("2026-01-01", days=40))
    path = tmp_path / "HMI.m2026.02.09_00.00.00.png"
    Image.fromarray(np.full((512, 512), 127, np.uint8)).save(path)
    model = load_bundle(bundle_folder("flare"))
    ask = record_predictor(model, ReadOptions(), PredictOptions(flares=str(listed)))
    with pytest.raises(ReadError, match="no disk"):
        list(ask(path))


def test_a_bundle_without_this_part_says_so(tmp_path):
    model = load_bundle(bundle_folder("flare"))
    kept = {name: head for name, head in model.magnetograms.items() if name != DISK_PAST}
    object.__setattr__(model, "magnetograms", kept)
    listed = write(tmp_path / "flares.csv", *episodes("2026-01-01", days=40))
    with pytest.raises(UsageError, match="no forecast of the disk by its past"):
        record_predictor(model, ReadOptions(), PredictOptions(flares=str(listed)))


def test_a_list_may_be_replaced_and_a_broken_one_leaves_the_older(tmp_path):
    start, flux = episodes("2026-01-01", days=40)
    path = write(tmp_path / "flares.csv", start[:-6], flux[:-6])
    flares = FlareList(path, "operational")
    now = start[-1]
    first, flags = flares.features(now)
    assert flags == []
    write(tmp_path / "newer.csv", start, flux).replace(path)
    second, flags = flares.features(now)
    assert flags == []
    assert (first != second).any()
    (tmp_path / "broken.csv").write_text("when,what\n1,2\n")
    (tmp_path / "broken.csv").replace(path)
    third, flags = flares.features(now)
    assert flags == ["flares-not-renewed"]
    np.testing.assert_array_equal(third, second)
    assert flares.features(None)[1] == ["flares-not-covered", "flares-not-renewed"]


@pytest.mark.mirror
def test_the_past_is_judged_beside_the_other_model_on_days_that_it_has_not_seen(mirror):
    listed = mirror / "solar" / "catalogs" / "lmsal_flares_2026.csv"
    head = load_bundle(bundle_folder("flare")).magnetograms[DISK_PAST]
    found = judge_disks(
        mirror / "solar" / "hmi2026_images.csv",
        np.random.default_rng(1),
        head=head,
        past=FlareList(listed, "operational").renewed(),
    )
    skill = {(row["part"], row["model"]): row["bss"]["value"] for row in found["parts"]}
    assert {model for _, model in skill} >= {"past flares", "two features", "other model"}
    assert skill["all days", "past flares"] > 0.25
    assert skill["all days", "past flares"] > skill["all days", "other model"] + 0.5
    gains = {(row["part"], row["model"]): row for row in found["gains"]}
    assert gains["all days", "past flares"]["low"] > 0


def test_a_stream_answers_by_the_list_as_it_is_when_the_image_comes(tmp_path):
    start, flux = episodes("2026-01-01", days=40)
    until = start < np.datetime64("2026-01-20")
    path = write(tmp_path / "flares.csv", start[until], flux[until])
    image = disk(tmp_path, "HMI.m2026.02.09_00.00.00.png")
    model = load_bundle(bundle_folder("flare"))
    answer = record_predictor(model, ReadOptions(), PredictOptions(flares=str(path)))

    def told():
        (rows,) = answer(image)
        return rows["model"][0].as_py(), rows["flags"][0].as_py()

    assert told()[0] == "disk"
    assert "flares-not-covered" in told()[1]
    write(tmp_path / "newer.csv", start, flux).replace(path)
    assert told()[0] == DISK_PAST
