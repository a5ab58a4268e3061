"""flare: rows are never lost, nothing is learnt from later, and missing history is told."""

import csv
import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from skysift.cli.main import build_app
from skysift.core.errors import BundleError, ContractError, InputError, NothingAnsweredError
from skysift.core.progress import silent
from skysift.core.registry import bundle_folder
from skysift.data.io import read_table
from skysift.data.solar.catalogs import read_flares
from skysift.data.solar.readers import read_solar_image
from skysift.tasks.flare import gallery, jobs, published
from skysift.tasks.flare.comparison import split_regions
from skysift.tasks.flare.definitions import event_definitions
from skysift.tasks.flare.image_features import (
    CUTOUT_SIDE,
    FEATURES,
    Cutouts,
    cut_regions,
    measure_cutouts,
)
from skysift.tasks.flare.learning import folds_of, group_samples, learn_region_head, targets
from skysift.tasks.flare.made_up import made_up_regions, write_made_up
from skysift.tasks.flare.model import load_bundle, save_bundle
from skysift.tasks.flare.options import CompareOptions, ReadOptions
from skysift.tasks.flare.region_tables import number, read_region_table, text
from skysift.tasks.flare.regions import Regions, read_labelled


def generator(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def model():
    return load_bundle(bundle_folder("flare"))


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """Thirty-six regions on three made-up suns, with their folder."""
    folder = tmp_path_factory.mktemp("suns")
    regions = made_up_regions(36, generator(3))
    write_made_up(regions, folder)
    return regions, folder


def predict(arguments, out):
    words = ["predict", "flare", *map(str, arguments), "--out", str(out)]
    build_app(words)(words, standalone_mode=False)
    return read_table(out)


def rewritten(folder, to, change):
    """The table of regions with something done to its rows."""
    with (folder / "regions.csv").open() as file:
        rows = [line for line in file if not line.startswith("#")]
    rows = list(csv.DictReader(rows))
    rows = change(rows)
    with to.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return to


def cutouts(pixels, *, disk=(40.0, 50.0, 60.0, 80.0, 100.0, 150.0, 220.0), mu=0.9):
    stack = np.asarray(pixels, dtype=np.float32)[None]
    return Cutouts(stack, np.array([disk]), np.array([mu]))


def measured(pixels, **facts):
    return dict(zip(FEATURES, measure_cutouts(cutouts(pixels, **facts))[0], strict=True))


def spot(brightness, width=6.0, at=(64, 64)):
    y, x = np.mgrid[:CUTOUT_SIDE, :CUTOUT_SIDE]
    squared = (x - at[0]) ** 2 + (y - at[1]) ** 2
    return 50 + brightness * np.exp(-squared / (2 * width**2))


# --- what is measured -----------------------------------------------------------------------------


def test_features_tell_bright_from_faint_and_large_from_small():
    faint, bright, large = measured(spot(40)), measured(spot(150)), measured(spot(150, 12))
    for name in ("mean_64", "quantile_0.97_64", "gradient", "largest_patch_disk_0.95"):
        assert faint[name] < bright[name], name
    assert bright["size"] < large["size"]


def test_a_display_that_is_stretched_gives_the_same_contrast():
    disk = np.array([40.0, 50.0, 60.0, 80.0, 100.0, 150.0, 220.0])
    first, stretched = (
        measured(spot(60), disk=disk),
        measured(1.5 * spot(60) + 9, disk=1.5 * disk + 9),
    )
    for name in (
        "mean_64",
        "quantile_0.9_32",
        "texture_2",
        "gradient",
        "above_disk_0.95_64",
        "size",
    ):
        assert stretched[name] == pytest.approx(first[name], rel=1e-4), name


def test_mirrors_of_a_region_are_alike():
    pixels = spot(150, at=(70, 60)) + spot(90, 4, at=(50, 66)) - 50
    for mirrored in (pixels[::-1, ::-1], pixels.T):
        found, other = measured(pixels), measured(mirrored)
        assert other["texture_2"] == pytest.approx(found["texture_2"], rel=0.03)
        assert other["quantile_0.97_64"] == pytest.approx(found["quantile_0.97_64"], rel=0.03)


def test_what_is_not_seen_has_no_features():
    assert np.isnan(measure_cutouts(cutouts(np.full((128, 128), np.nan)))).all()


def test_an_image_twice_as_fine_shows_the_same(sample):
    regions, folder = sample
    name = str(regions.table["file"][0])
    image = read_solar_image(folder / name)
    x, y = image.placement.from_file(regions.table["x"][:3], regions.table["y"][:3])
    disk = image.disk
    finer = replace(
        image,
        data=np.kron(image.data, np.ones((2, 2), np.float32)),
        mask=np.kron(image.mask, np.ones((2, 2), np.uint8)),
        frame=replace(disk, x=2 * disk.x + 0.5, y=2 * disk.y + 0.5, radius=2 * disk.radius),
    )
    coarse = dict(zip(FEATURES, measure_cutouts(cut_regions(image, x, y)).T, strict=True))
    fine = measure_cutouts(cut_regions(finer, 2 * np.asarray(x) + 0.5, 2 * np.asarray(y) + 0.5))
    fine = dict(zip(FEATURES, fine.T, strict=True))
    for feature in ("mean_64", "quantile_0.9_64", "mu", "texture_4"):
        np.testing.assert_allclose(fine[feature], coarse[feature], rtol=0.1, atol=0.1)


# --- what is learnt -------------------------------------------------------------------------------


def test_no_region_and_no_near_day_is_on_both_sides_of_a_fold(sample):
    time = np.datetime64("2012-01-01T00", "s") + np.arange(400) * np.timedelta64(12, "h")
    group = np.arange(400) // 15
    for train, test in folds_of(time, group, 4):
        assert not set(group[train]) & set(group[test])
        gap = np.abs(time[train][:, None] - time[test][None]).min()
        assert gap > np.timedelta64(72, "h")


def test_bootstrap_samples_hold_whole_regions():
    group = np.array([5, 5, 5, 7, 7, 9])
    for rows in group_samples(group, 20, generator()):
        counts = np.bincount(rows, minlength=6)
        assert counts[0] == counts[1] == counts[2]
        assert counts[3] == counts[4]


def test_targets_know_of_the_days_around(sample):
    regions, _ = sample
    day, two, around, strong = targets(regions, "C")
    assert (two >= day).all()
    assert (around >= two).all()
    assert (around >= strong).all()
    assert around.sum() > day.sum()


def test_a_forecast_of_noise_has_no_skill():
    regions = made_up_regions(240, generator(5))
    regions.__dict__["image_features"] = generator(6).normal(size=(240, len(FEATURES)))
    learned = learn_region_head(regions, "C", folds=3, inverse_penalty=0.1, bags=1, rng=generator())
    event = regions.flared("C")
    brier = ((learned.image - event) ** 2).mean()
    assert brier > 0.93 * event.mean() * (1 - event.mean())
    assert ((learned.both - event) ** 2).mean() < brier  # the history is real


def test_too_few_flares_are_refused(sample):
    regions, _ = sample
    with pytest.raises(InputError, match="folds need"):
        learn_region_head(regions, "M", folds=20, inverse_penalty=0.1, bags=1, rng=generator())


def test_a_region_on_both_sides_of_the_boundary_is_not_learnt_from():
    regions = made_up_regions(72, generator())
    table = regions.table.with_columns({"noaa": np.arange(72) % 12 + 11000})
    straddling = Regions(table, regions.cutouts, regions.codes)
    with pytest.raises(InputError, match="on one side"):
        split_regions(straddling, CompareOptions(boundary=date(2011, 1, 10)))
    past, future = split_regions(regions, CompareOptions(boundary=date(2011, 1, 14)))
    assert not set(past.noaa) & set(future.noaa)
    assert past.time.max() + np.timedelta64(48, "h") <= future.time.min()


# --- what is said ---------------------------------------------------------------------------------


def test_each_region_has_its_row_and_its_columns(sample, tmp_path):
    regions, folder = sample
    images = sorted(folder.glob("*.png"))
    said = predict([*images, "--regions", folder / "regions.csv"], tmp_path / "out.csv")
    assert len(said) == 36
    for name in ("p_c24", "p_m24", "p_c24_image_only"):
        assert ((said[name] > 0) & (said[name] < 1)).all()
    assert (said["p_c24"] >= said["p_m24"]).mean() > 0.9
    assert set(said["model"]) == {"image+history"}
    np.testing.assert_array_equal(said["noaa"], regions.noaa)
    np.testing.assert_array_equal(said["mcintosh"], text(regions.table, "mcintosh"))
    np.testing.assert_allclose(said["area"], number(regions.table, "area"))


def test_without_history_the_image_answers_and_says_so(sample, tmp_path):
    _, folder = sample

    def bare(rows):
        return [{name: row[name] for name in ("file", "x", "y")} for row in rows]

    table = rewritten(folder, tmp_path / "bare.csv", bare)
    images = sorted(folder.glob("*.png"))
    said = predict([*images, "--regions", table], tmp_path / "out.csv")
    whole = predict([*images, "--regions", folder / "regions.csv"], tmp_path / "whole.csv")
    np.testing.assert_array_equal(said["p_c24"], said["p_c24_image_only"])
    np.testing.assert_array_equal(said["p_c24_image_only"], whole["p_c24_image_only"])
    assert {flags.partition(",")[0] for flags in said["flags"].tolist()} == {"no-history"}
    assert (whole["p_c24"] != whole["p_c24_image_only"]).any()


def test_labels_are_not_looked_at(sample, tmp_path):
    _, folder = sample

    def lying(rows):
        return [{**row, "maxflux_24h": "0.001", "maxflux_48h": "0.001"} for row in rows]

    table = rewritten(folder, tmp_path / "lying.csv", lying)
    images = sorted(folder.glob("*.png"))
    first = predict([*images, "--regions", folder / "regions.csv"], tmp_path / "first.csv")
    again = predict([*images, "--regions", table], tmp_path / "again.csv")
    np.testing.assert_array_equal(first["p_c24"], again["p_c24"])


def test_trouble_has_a_row_with_its_reason(sample, tmp_path):
    regions, folder = sample
    names = sorted({str(name) for name in regions.table["file"]})

    def troubled(rows):
        rows[0]["x"] = "nan"
        rows[1]["x"] = "-40"
        return rows

    table = rewritten(folder, tmp_path / "regions.csv", troubled)
    for name in names[:2]:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / names[1]).write_bytes(b"\x89PNG\r\n\x1a\nno more")
    said = predict([table], tmp_path / "out.csv")
    flags = said["flags"].astype(str)
    assert len(said) == 36
    assert [one.partition(",")[0] for one in flags[:2]] == ["no-position", "no-position"]
    assert set(flags[said["file"].astype(str) == names[1]]) == {"unreadable-image"}
    assert set(flags[said["file"].astype(str) == names[2]]) == {"no-image"}
    assert np.isfinite(said["p_c24"]).sum() == 10


def test_places_on_the_sun_do_as_well_as_pixels(sample, tmp_path):
    _, folder = sample

    def placed(rows):
        return [{k: v for k, v in row.items() if k not in {"x", "y"}} for row in rows]

    table = rewritten(folder, folder / "placed.csv", placed)
    said = predict([table], tmp_path / "out.csv")
    assert np.isfinite(said["p_c24"]).all()


def test_places_and_times_that_the_table_leaves_out_are_told_by_the_image(sample, tmp_path):
    regions, folder = sample

    def placed(rows):
        return [{name: row[name] for name in ("file", "x", "y")} for row in rows]

    table = rewritten(folder, folder / "pixels.csv", placed)
    said = predict([table], tmp_path / "out.csv")
    assert (said["time"].astype("datetime64[s]") == regions.time).all()
    for name in ("lon", "lat"):  # the made-up suns do not nod
        np.testing.assert_allclose(said[name], number(regions.table, name), atol=8)
    known = list(zip(said["lon"].tolist(), said["lat"].tolist(), strict=True))

    def turned(rows):
        return [
            {"file": row["file"], "lon": lon, "lat": lat}
            for row, (lon, lat) in zip(rows, known, strict=True)
        ]

    again = predict([rewritten(folder, folder / "angles.csv", turned)], tmp_path / "again.csv")
    for name in ("x", "y"):
        np.testing.assert_allclose(again[name], said[name], atol=1e-6)
    np.testing.assert_allclose(again["p_c24"], said["p_c24"], atol=1e-6)


def test_an_image_without_regions_is_not_lost(sample, tmp_path):
    _, folder = sample
    image = min(folder.glob("*.png"))
    with pytest.raises(NothingAnsweredError, match="All of the input was rejected"):
        predict([image], tmp_path / "out.csv")
    assert read_table(tmp_path / "out.csv")["flags"].tolist() == ["no-regions"]


def test_a_table_without_places_is_refused(tmp_path):
    path = tmp_path / "regions.csv"
    path.write_text("file,area\na.png,100\n")
    with pytest.raises(ContractError, match="neither x and y nor lon and lat"):
        read_region_table(path)
    path.write_text("file,x,y\na.png,1,2\n")
    with pytest.raises(ContractError, match="no labels"):
        read_labelled([path], ReadOptions())


# --- the bundle and the report --------------------------------------------------------------------


def test_a_damaged_bundle_is_refused(model, tmp_path):
    folder = tmp_path / "bundle"
    save_bundle(model, folder)
    described = json.loads((folder / "bundle.json").read_text())
    del described["preprocessing"]["regions"]["M"]
    (folder / "bundle.json").write_text(json.dumps(described))
    with pytest.raises(BundleError):
        load_bundle(folder)


def test_the_bundle_keeps_to_its_part_of_time(model):
    last = np.datetime64(model.training.split.partition(" to ")[2])
    assert last < np.datetime64("2014-06-24")
    parts = {"sharp-keywords", "sharp-field", "disk", "disk-history"}
    assert model.magnetograms.keys() == parts


def test_a_comparison_writes_its_report_and_draws_it_again(tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "_STRIDE", 16)  # coarser maps, and small pictures, sooner
    monkeypatch.setattr(published, "REGION_SIZE", 40)
    regions = made_up_regions(180, generator(2))
    folder = tmp_path / "data"
    path = write_made_up(regions, folder)
    options = CompareOptions(
        boundary=date(2011, 2, 12),
        models=("both", "image", "history", "persistence", "network", "published"),
        network_epochs=1,
        published_epochs=1,
        published_starts=1,
        published_repeats=1,
        folds=2,
        bags=1,
    )
    out = tmp_path / "run"
    run = jobs.compare(
        [path], ReadOptions(), options, out, seed=1, command="skysift compare", progress=silent
    )
    page = (out / "report.html").read_text()
    assert {row["forecast"] for row in run.rows} >= {"image and history", "climatology"}
    for words in ("What the published accuracy was worth", "Disks with their regions", "Brier"):
        assert words in page
    jobs.render(out)
    assert (out / "report.html").read_text() == page
    climatology = next(row for row in run.rows if row["forecast"] == "climatology")
    assert climatology["tss"] == 0
    assert climatology["bss"] == pytest.approx(0, abs=1e-9)


def test_labels_hang_on_their_definition(tmp_path):
    regions = made_up_regions(12, generator(4))
    time, noaa = regions.time[0], regions.noaa[0]
    flares = tmp_path / "flares.csv"
    lines = ["start,peak,end,goes_class,flux,noaa"]
    for hours, noaa_of, goes in ((6, noaa, "C2.0"), (30, regions.noaa[1], "M1.0"), (3, 0, "C5.0")):
        start = str(time + np.timedelta64(hours, "h")).replace("T", " ")
        lines.append(f"{start},{start},{start},{goes},{2e-6 if goes[0] == 'C' else 1e-5},{noaa_of}")
    flares.write_text("\n".join(lines) + "\n")
    listed = read_flares([flares])
    rows = {(row["hours"], row["definition"]): row for row in event_definitions(regions, listed)}
    aside, out = "flares of no region left aside", "uncertain regions left out"
    assert rows[24.0, aside]["flares C"] == 1
    assert rows[48.0, aside]["flares C"] == 2
    assert rows[48.0, aside]["flares M"] == 1
    assert rows[24.0, aside]["rows"] == 12
    assert rows[24.0, out]["rows"] == 1  # any other may have had the flare of no region


# --- real data ------------------------------------------------------------------------------------


@pytest.mark.mirror
def test_real_regions_have_probabilities(mirror, tmp_path):
    solar = mirror / "solar"
    image = solar / "aia211_fulldisk" / "20150517_161111_512_0211.jpg"
    images = [image] if image.is_file() else sorted((solar / "aia211_fulldisk").iterdir())[-1:]
    table = solar / "aia211_regions.csv"
    said = predict([*images, "--regions", table], tmp_path / "out.ecsv")
    assert len(said) > 0
    assert ((said["p_c24"] > 0) & (said["p_c24"] < 1)).all()
