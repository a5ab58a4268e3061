"""The audit of images finds what was planted, and in real data each of their known traps."""

import csv
import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from skysift.core.errors import InputError
from skysift.data.chronological import chronological_split, linked_groups
from skysift.data.io import read_table
from skysift.data.solar.catalogs import (
    LabelPolicy,
    label_regions,
    read_flares,
    read_regions,
    regions_at,
)
from skysift.data.table import FeatureTable
from skysift.evaluate.audit import Severity, audit
from skysift.evaluate.audit.burned_text import text_boxes
from skysift.evaluate.audit.clock import clock_codes
from skysift.evaluate.audit.images import audit_images

START = np.datetime64("2014-01-01", "s")
HOUR = np.timedelta64(1, "h")
SIDE = 96


def disks(n, rng, *, labels=None):
    """Make disks with a limb, each with spots of its own; those of the class have one more."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    limb = 60.0 / (1 + np.exp(np.hypot(x, y) - 40))
    out = np.empty((n, SIDE, SIDE))
    for k in range(n):
        out[k] = limb + rng.normal(0, 3, (SIDE, SIDE))
        for _ in range(4 + (labels is not None and bool(labels[k]))):
            row, column = rng.uniform(-25, 25, 2)
            out[k] += 25 * np.exp(-((x - column) ** 2 + (y - row) ** 2) / 30)
    return np.clip(np.round(out + 10), 0, 255).astype(np.uint8)


def written(image, text):
    """Return the image with a text in its lower left corner."""
    picture = Image.fromarray(image)
    ImageDraw.Draw(picture).text((3, SIDE - 12), text, fill=250)
    return np.asarray(picture)


def made(rng, n=80):
    y = rng.random(n) < 0.5
    return disks(n, rng, labels=y), y


def codes(report):
    return {finding.code for finding in report.findings}


def one(report, code):
    (finding,) = report.with_code(code)
    return finding


@pytest.mark.parametrize("seed", range(3))
def test_clean_images_raise_nothing(seed):
    rng = np.random.default_rng(seed)
    images, y = made(rng)
    n = len(y)
    times = START + np.sort(rng.integers(0, 40_000, n)) * HOUR
    table = FeatureTable.from_columns(
        {"file": np.array([f"disk_{k:03d}.jpg" for k in range(n)]), "time": times}
    )
    files = FeatureTable.from_columns({"mode": np.array(["L", "P"])[rng.integers(0, 2, n)]})
    split = chronological_split(times, [times[n // 2]], purge=24 * HOUR)
    kept = split >= 0
    report = audit_images(
        images[kept], y[kept], table=table.take(kept), files=files.take(kept),
        split=split[kept], times=times[kept], rng=rng,
    )  # fmt: skip
    assert report.findings == ()


def test_a_copy_and_a_copy_on_the_other_side(rng):
    images, y = made(rng)
    images[5], y[5] = images[3], y[3]
    split = np.arange(len(y)) >= 4
    report = audit_images(images, y, split=split, rng=rng)
    assert codes(report) == {"duplicate-images", "duplicates-across-split"}
    assert one(report, "duplicates-across-split").rows.tolist() == [3, 5]
    y[5] = not y[3]
    assert "duplicate-label-conflict" in codes(audit_images(images, y, rng=rng))


def test_the_same_disk_in_another_exposure(rng):
    """Noise and another exposure do not hide that two images show the same."""
    images, y = made(rng)
    later = images[10] * 0.9 + rng.normal(0, 3, (SIDE, SIDE))
    images[50], y[50] = np.clip(later, 0, 255).astype(np.uint8), not y[10]
    report = audit_images(images, y, split=np.arange(len(y)) >= 40, rng=rng)
    assert one(report, "near-duplicates-across-split").rows.tolist() == [10, 50]
    assert "near-duplicate-label-conflict" not in codes(report)  # a flare may lie between them


@pytest.mark.parametrize("part", [slice(0, SIDE), slice(0, 64)])
def test_mirrored_and_turned_copies_in_another_compression(rng, part):
    """Each of the seven other symmetries of a square; a frame may turn with it."""
    images, y = made(rng)
    images = images[:, part, part].copy()
    for k in range(1, 8):
        turned = np.rot90(images[k], k % 4)[:, :: 1 if k < 4 else -1]
        file = io.BytesIO()
        Image.fromarray(turned).save(file, "jpeg", quality=80)
        images[40 + k] = np.asarray(Image.open(file))
    finding = one(audit_images(images, y, rng=rng), "near-duplicate-images")
    assert finding.rows.tolist() == [*range(1, 8), *range(41, 48)]
    assert finding.title == "7 near-duplicate images"


def test_of_three_images_that_are_alike_two_are_copies(rng):
    images, y = made(rng)
    for k in (20, 50):
        images[k] = np.clip(images[10] + rng.normal(0, 3, (SIDE, SIDE)), 0, 255)
    finding = one(audit_images(images, y, rng=rng), "near-duplicate-images")
    assert finding.title == "2 near-duplicate images"
    assert finding.evidence["n_pairs"] == 3


def test_text_in_all_images_is_found_where_it_is(rng):
    images, y = made(rng)
    dated = np.stack([written(im, f"SDO 20{k:02d}-{k % 12:02d}") for k, im in enumerate(images)])
    finding = one(audit_images(dated, y, rng=rng), "burned-in-text")
    assert finding.severity is Severity.MEDIUM
    (top, bottom), (left, right) = finding.evidence["rows"], finding.evidence["columns"]
    drawn = np.argwhere(dated[0] != images[0])
    assert top <= drawn[:, 0].min()
    assert drawn[:, 0].max() < bottom <= SIDE
    assert left <= 6
    assert right >= 20


def test_text_in_one_class_is_grave(rng):
    images, y = made(rng)
    dated = np.stack([written(im, "FLARE") if s else im for im, s in zip(images, y, strict=True)])
    finding = one(audit_images(dated, y, rng=rng), "burned-in-text")
    assert finding.severity is Severity.HIGH
    assert (finding.n_signal, finding.n_background) == (y.sum(), 0)


def test_a_limb_and_a_frame_are_no_text(rng):
    images = disks(30, rng).astype(np.float32)
    images[:, :3] = images[:, -3:] = images[:, :, :3] = images[:, :, -3:] = 255
    images[:, 20], images[:, :, 48] = 200, 200
    assert text_boxes(list(images)) == []


@pytest.mark.parametrize("change", ["zero", "step", "maximum"])
def test_a_scale_that_differs_by_class(rng, change):
    images, y = made(rng, 120)
    scaled = images.astype(float)
    for k in np.flatnonzero(y):
        if change == "zero":
            scaled[k] += 5
        elif change == "step":
            scaled[k] = np.round(scaled[k] / 4) * 4
        else:
            scaled[k] *= 300 / scaled[k].max()
    found = audit_images(scaled, y, rng=rng).with_code("class-dependent-scale")
    assert found
    assert found[0].severity is Severity.HIGH


def test_files_that_differ_by_class_in_a_small_set(rng):
    images, y = made(rng, 60)
    y[:] = np.arange(60) < 20
    compression = np.full(60, "JPEG tables a")
    compression[:8] = "JPEG tables b"
    files = FeatureTable.from_columns({"compression": compression})
    finding = one(audit_images(images, y, files=files, rng=rng), "class-dependent-file")
    assert (finding.columns, finding.n_signal, finding.n_background) == (("compression",), 8, 0)


def test_a_header_card_that_knows_the_class(rng):
    images, y = made(rng, 200)
    cards = {
        "header EXPTIME": np.where(y, 2.0, 2.9),
        "header DATE": np.array(
            [f"2014-01-{d:02d} {'23:48' if not s else f'{d % 24:02d}:10'}:00"
             for d, s in zip(rng.integers(1, 29, 200), y, strict=True)]
        ),
    }  # fmt: skip
    report = audit_images(images, y, table=FeatureTable.from_columns(cards), rng=rng)
    assert one(report, "telling-clock").columns == ("header DATE",)
    told = one(report, "telling-column")
    assert (told.columns, told.severity) == (("header EXPTIME",), Severity.HIGH)
    assert "label-column" not in codes(report)


def test_of_a_few_images_a_header_card_is_told_and_not_more(rng):
    images, _ = made(rng, 8)
    y = np.arange(8) < 4
    table = FeatureTable.from_columns({"header EXPTIME": np.where(y, 2.0, 2.9)})
    assert one(audit_images(images, y, table=table, rng=rng), "label-column").severity == "low"


def test_neighbours_in_time_on_both_sides(rng):
    images, y = made(rng)
    times = START + 3 * np.arange(len(y)) * HOUR
    torn = audit_images(images, y, times=times, split=rng.integers(0, 2, len(y)), rng=rng)
    assert one(torn, "neighbours-in-time").severity is Severity.HIGH
    split = chronological_split(times, [times[40]], purge=25 * HOUR)
    kept = split >= 0
    clean = audit_images(images[kept], y[kept], times=times[kept], split=split[kept], rng=rng)
    assert not clean.with_code("neighbours-in-time")


def test_brightness_that_drifts_and_pixels_that_are_clipped(rng):
    images, y = made(rng)
    times = START + 100 * np.arange(len(y)) * HOUR
    faded = images * np.linspace(1, 0.5, len(y))[:, None, None]
    assert one(audit_images(faded, y, times=times, rng=rng), "drift-in-time").evidence[
        "correlation"
    ] < -0.3  # fmt: skip
    clipped = np.minimum(images, 85)
    assert len(one(audit_images(clipped, y, rng=rng), "clipped-pixels").rows) > 50


def test_images_of_several_shapes_and_with_nan(rng):
    images, y = made(rng, 40)
    several = [im[: SIDE - (k % 2)].astype(float) for k, im in enumerate(images)]
    several[3][:10] = np.nan
    report = audit_images(several, y, rng=rng)
    assert any("another shape" in note for note in report.notes)


def test_what_are_no_images_is_refused(rng):
    images, y = made(rng, 10)
    with pytest.raises(InputError, match="9 images and 10 labels"):
        audit_images(images[:9], y, rng=rng)
    with pytest.raises(InputError, match="shape"):
        audit_images([np.zeros((2, 2, 3))] * 10, y, rng=rng)


def test_clock_codes_are_of_times_alone():
    times = np.array(["2014-01-01 23:48:00", "2014-05-02 23:48:00", "2014-01-01 03:00:00", None])
    found = clock_codes(times)
    assert found[0] == found[1]
    assert len(set(found.tolist())) == 3
    assert clock_codes(np.array(["flare", "quiet"])) is None
    assert clock_codes(np.array([1.0, 2.0])) is None


def test_files_listed_twice_and_sources_of_one_class(rng):
    n = 90
    y = np.arange(n) < 30
    links = np.array([f"http://host/{'pod' if k < 7 else 'main'}/{k:04d}.gif" for k in range(n)])
    links[80] = links[70]
    table = FeatureTable.from_columns({"x": rng.normal(size=n), "image": links})
    order = rng.permutation(n)
    report = audit(table.take(order), y[order], features=["x"], rng=rng)
    assert codes(report) == {"repeated-rows", "class-dependent-file"}
    assert one(report, "class-dependent-file").n_signal == 7


# --- the known traps of the solar data -------------------------------------------------------


def pictures(folder, names):
    for name in names:
        with Image.open(folder / str(name)) as image:
            yield np.asarray(image.convert("L"))


@pytest.fixture(scope="module")
def hmi(mirror):
    table = read_table(mirror / "solar/hmi2026_images.csv").take(np.arange(0, 312, 4))
    images = list(pictures(mirror / "solar/hmi2026_fulldisk", table["file"]))
    return images, table["flare_M_24h"] == 1, table["time"].astype("datetime64[s]")


@pytest.mark.mirror
def test_trap_neighbouring_frames_on_both_sides_of_a_random_split(hmi, rng):
    images, y, times = hmi
    report = audit_images(images, y, times=times, split=rng.random(len(y)) < 0.5, rng=rng)
    assert one(report, "neighbours-in-time").severity is Severity.HIGH
    split = chronological_split(times, ["2026-02-15"], purge=24 * HOUR)
    kept = np.flatnonzero(split >= 0)
    temporal = audit_images(
        [images[k] for k in kept], y[kept], times=times[kept], split=split[kept], rng=rng
    )
    assert not temporal.of(Severity.HIGH)


@pytest.mark.mirror
def test_trap_frames_three_hours_apart_show_the_same(mirror, rng):
    table = read_table(mirror / "solar/hmi2026_images.csv").take(np.arange(40))
    images = list(pictures(mirror / "solar/hmi2026_fulldisk", table["file"]))
    report = audit_images(images, np.arange(40) % 3 == 0, split=np.arange(40) % 2, rng=rng)
    finding = one(report, "near-duplicates-across-split")
    assert finding.evidence["n_pairs"] > 30


@pytest.mark.mirror
def test_trap_magnetograms_are_clipped(hmi, rng):
    images, y, _ = hmi
    assert len(one(audit_images(images, y, rng=rng), "clipped-pixels").rows) > 50


@pytest.mark.mirror
def test_trap_dates_in_the_pixels_and_a_scale_that_drifts(mirror, rng):
    table = read_table(mirror / "solar/aia211_images.csv").take(np.arange(0, 370, 2))
    images = list(pictures(mirror / "solar/aia211_fulldisk", table["file"]))
    times = table["time"].astype("datetime64[s]")
    report = audit_images(images, table["flare_M_24h"] == 1, times=times, rng=rng)
    (top, bottom) = one(report, "burned-in-text").evidence["rows"]
    assert 485 <= top < 494  # the letters are in rows 494 to 501
    assert 502 <= bottom <= 512
    assert report.with_code("drift-in-time")
    masked = [np.where(np.arange(512)[:, None] >= 485, 0, image) for image in images]
    assert not audit_images(masked, table["flare_M_24h"] == 1, rng=rng).with_code("burned-in-text")


@pytest.mark.mirror
def test_trap_the_hour_knows_the_class(mirror, rng):
    table = read_table(mirror / "solar/catalogs/sharp_keywords_dayflare.csv.gz")
    y = table["FlareNumber"] == 1
    columns = table.select(["T_REC", "NOAA_AR", "USFLUX"])
    split = rng.random(len(y)) < 0.5
    report = audit(columns, y, features=["USFLUX"], groups=table["NOAA_AR"], split=split, rng=rng)
    clock = one(report, "telling-clock")
    assert (clock.columns, clock.severity) == (("T_REC",), Severity.HIGH)
    assert report.with_code("groups-across-split")  # trap: one region on both sides
    physical = audit(columns.select(["USFLUX"]), y, rng=rng)
    assert not physical.with_code("telling-clock")


@pytest.mark.mirror
def test_trap_some_quiet_labels_are_wrong(mirror):
    """A C flare of no known region fell into a fifth of the windows that are labelled quiet."""
    folder = mirror / "solar/catalogs"
    regions = read_regions([folder / "noaa_srs_2010_2019.csv.gz"])
    flares = read_flares([folder / "goes_flares_2010_2019.csv.gz"])
    images = read_table(mirror / "solar/aia211_images.csv")
    policy = LabelPolicy(positions="nearest", classes=("C",))
    at = regions_at(regions, images["time"].astype("datetime64[s]"), policy=policy)
    table = label_regions(at, flares, policy=policy)
    quiet = ~table["flare_C"].astype(bool)
    doubtful = table["status"][quiet] == "uncertain"
    assert 0.1 < doubtful.mean() < 0.3


@pytest.mark.mirror
def test_trap_the_number_zero_is_no_region_and_a_patch_may_hold_several(mirror):
    with (mirror / "solar/sharp_cea_fits.csv").open() as file:
        rows = list(csv.DictReader(file))
    numbers = [[n for n in row["noaa_ars"].split(",") if n] for row in rows]
    harps = [f"harp {row['harpnum']}" for row in rows]
    group = linked_groups([(harp, *own) for harp, own in zip(harps, numbers, strict=True)])
    alone = np.array([not own for own in numbers])
    unnumbered = {harp for harp, own in zip(harps, numbers, strict=True) if not own}
    assert len(set(group[alone].tolist())) == len(unnumbered) > 1
    assert not set(group[alone]) & set(group[~alone])


@pytest.mark.mirror
def test_trap_the_list_of_the_first_networks(mirror, rng):
    """Five links are listed twice, and the classes come from different pages."""
    table = read_table(mirror / "solar/seed_examples/arsolarflaresdata.csv")
    y = table["Type"] == "FL"
    report = audit(table.select(["Image"]), y, features=[], rng=rng)
    assert one(report, "repeated-rows").evidence["n_pairs"] == 5
    assert one(report, "class-dependent-file").evidence["p_value"] < 1e-3
