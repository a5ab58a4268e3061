"""Stamps and disks: drawn from the files that were answered, by a process that may die of them."""

import base64
import sys
from contextlib import closing, suppress
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from skysift.core.errors import SkysiftError
from skysift.core.registry import load_task
from skysift.serve.page.easel import Easel
from skysift.serve.page.painter import paint_disk, paint_stamp


@pytest.fixture(scope="module")
def cutouts(tmp_path_factory):
    task = load_task("star-galaxy")
    sample = task.synth(4, np.random.default_rng(3))
    path = task.write_synth(sample, tmp_path_factory.mktemp("cutouts") / "cutouts.parquet")
    return path, sample.images


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    task = load_task("active-region")
    folder = tmp_path_factory.mktemp("disks")
    task.write_synth(task.synth(1, np.random.default_rng(3)), folder)
    return min(folder.glob("*.png"))


def test_a_stamp_is_drawn_as_it_was_measured(cutouts):
    path, images = cutouts
    drawn = paint_stamp(path, str(images.identifiers[2]))
    shown = np.asarray(_image(drawn["png"]).convert("L"), dtype=float)
    height, width = images.sizes[2]
    rows = (np.arange(drawn["height"]) + 0.5) * height / drawn["height"]
    columns = (np.arange(drawn["width"]) + 0.5) * width / drawn["width"]
    measured = images.pixels[2][::-1][rows.astype(int)][:, columns.astype(int)]
    ranks = [np.argsort(np.argsort(values.ravel())) for values in (shown, measured)]
    assert np.corrcoef(*ranks)[0, 1] > 0.9
    assert paint_stamp(path, "another") == {}


def test_a_disk_is_drawn_with_boxes_where_the_file_has_them(open_page, night_sink, disk):
    picture = paint_disk(disk, disk.name)
    with Image.open(disk) as image:
        assert (picture["width"], picture["height"]) == image.size
    night_sink.incoming = disk.parent
    rows = [
        {"file": disk.name, "x": 300.0, "y": 100.0, "lon": 10.0, "lat": 5.0, "width": 40.0,
         "height": 20.0, "box_x": 310.0, "box_y": 105.0, "score": 0.9, "p_big_region": 0.5,
         "flags": ""}
    ]  # fmt: skip
    night_sink.publish(rows, name=disk.name)
    page = open_page()
    html = page.wait_for("/panels/disk", "<image")
    # A picture counts rows from the top, as the drawing does.
    x, y, width, height = (
        float(html.split(f' {name}="')[-1].split('"')[0]) for name in ("x", "y", "width", "height")
    )
    assert (x + width / 2, y + height / 2) == pytest.approx((310.5, 105.5), abs=1.0)
    assert (width, height) == (40.0, 20.0)
    address = html.split('href="')[1].split('"')[0]
    assert Image.open(BytesIO(page.get(address).content)).width > 100


def test_stamps_are_shown_with_their_probabilities(open_page, night_sink, cutouts):
    path, images = cutouts
    night_sink.incoming = path.parent
    rows = [
        {"file": str(name), "ra": 1.0, "dec": 2.0, "p_galaxy": 0.1 + 0.2 * k, "p_galaxy_err": 0.02,
         "ambiguous": k == 2, "flags": ""}
        for k, name in enumerate(images.identifiers)
    ]  # fmt: skip
    night_sink.publish(rows, name=path.name)
    page = open_page()
    html = page.wait_for("/panels/stamps", "left open")
    assert str(images.identifiers[0]) in html
    assert ">0.70</b>" in html
    address = html.split('<img src="')[1].split('"')[0]
    answer = page.get(address)
    assert Image.open(BytesIO(answer.content)).height > 50
    nothing = page.get("/stamps/0000000000000000.png")
    assert Image.open(BytesIO(nothing.content)).size == (1, 1)  # nothing, and no error


def test_the_painter_may_die_of_a_file_and_is_replaced(tmp_path, cutouts):
    path, images = cutouts
    deadly = tmp_path / "deadly"
    deadly.write_text("")
    program = (
        "import os, sys\n"
        "from skysift.serve.page import painter\n"
        "paint = painter.paint_stamp\n"
        "def dies(path, name):\n"
        "    return os.abort() if path.name == 'deadly' else paint(path, name)\n"
        "painter._KINDS['stamp'] = dies\n"
        "painter.main()\n"
    )
    with closing(Easel((sys.executable, "-c", program))) as easel:
        assert easel.draw("stamp", deadly, "x") is None
        assert easel.draw("stamp", path, str(images.identifiers[0])) is not None
        assert easel.draw("stamp", tmp_path / "gone", "x") is None


@pytest.mark.parametrize("content", [b"", b"SIMPLE  =", b"Obj\x01", b"PAR1", b"\x89PNG", b"x" * 99])
def test_what_is_no_picture_gives_none(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    for paint in (paint_stamp, paint_disk):
        with suppress(SkysiftError):
            assert paint(path, "x") == {}


def _image(text: str) -> Image.Image:
    return Image.open(BytesIO(base64.b64decode(text)))
