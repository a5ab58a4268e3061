"""Stamps and disks: drawn from the files that were answered, by a process that may die of them."""

import base64
import hashlib
import json
import sys
from contextlib import closing, suppress
from datetime import UTC, datetime
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from skysift.core.errors import SkysiftError
from skysift.core.registry import load_task
from skysift.serve.config import state_folder
from skysift.serve.messages import Item
from skysift.serve.packs import Packed, PackStore
from skysift.serve.page.easel import Easel, Wish
from skysift.serve.page.painter import paint_disk, paint_stamp
from skysift.serve.service_state import BundleFacts, ServiceState, write_state
from skysift.tasks.star_galaxy.synth import fits_bytes


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
    assert ">0.700</b>" in html
    address = html.split('<img src="')[1].split('"')[0]
    answer = page.get(address)
    assert Image.open(BytesIO(answer.content)).height > 50
    nothing = page.get("/stamps/0000000000000000.png")
    assert Image.open(BytesIO(nothing.content)).size == (1, 1)  # nothing, and no error


CUTOUT = {"type": "record", "name": "cutout", "fields": [{"name": "stampData", "type": "bytes"}]}
ALERT = {
    "type": "record",
    "name": "alert",
    "fields": [{"name": "candid", "type": "long"}, {"name": "cutoutScience", "type": CUTOUT}],
}


def test_messages_have_pictures_as_long_as_they_are_kept(open_page, night_sink, cutouts, tmp_path):
    fastavro = pytest.importorskip("fastavro")
    _, images = cutouts
    alerts = [
        {"candid": number, "cutoutScience": {"stampData": fits_bytes(pixels, facts, "made up")}}
        for number, pixels, facts in zip(
            (77, 78), images.pixels[:2], images.facts.arrow.to_pylist()[:2], strict=True
        )
    ]
    whole, wire = BytesIO(), BytesIO(b"\0\0\0\0\x07")  # of Confluent: the schema is elsewhere
    fastavro.writer(whole, ALERT, alerts[:1])
    wire.seek(5)
    fastavro.schemaless_writer(wire, ALERT, alerts[1])
    (tmp_path / "schema.avsc").write_text(json.dumps(ALERT))
    write_state(night_sink.folder, state(schemas=tmp_path / "schema.avsc"))
    store = PackStore(state_folder(night_sink.folder) / "messages", shown=10**6)
    path, placed = store.write(
        Packed("a", f"t-0-{k}.avro", "t", 0, k, 1.0, hashlib.sha256(data).hexdigest(), data)
        for k, data in enumerate((whole.getvalue(), wire.getvalue()))
    )
    night_sink.spool.add_messages(path, [one.message(2.0, 10**6) for one in placed])
    row = {"ra": 1.0, "dec": 2.0, "p_galaxy": 0.9, "p_galaxy_err": 0.02, "ambiguous": False}
    for one, name in zip(placed, ("77", "78"), strict=True):
        night_sink.publish([{"file": name, **row, "flags": ""}], name=one.name, record=one.id)
    store.sweep(night_sink.spool)

    def pictures():
        page = open_page()
        page.wait_for("/panels/stamps", "of 77")
        html = page.wait_for("/panels/stamps", "of 78")
        addresses = [part.split('"')[0] for part in html.split('<img src="')[1:]]
        return [Image.open(BytesIO(page.get(address).content)) for address in addresses]

    shown = pictures()
    assert [image.height > 50 for image in shown] == [True, True]
    assert np.asarray(shown[0]).tolist() != np.asarray(shown[1]).tolist()
    PackStore(store.folder).sweep(night_sink.spool)
    assert not path.exists()
    assert [image.size for image in pictures()] == [(1, 1)] * 2


def state(**values):
    """What a service has noted of itself."""
    now = datetime.now(UTC)
    bundle = BundleFacts(name="a", hash="b" * 64, created=now)
    facts = {"skysift": "1", "python": "3", "run": "r", "task": "star-galaxy", "process": 1}
    moments = {"started": now.timestamp(), "beat": now.timestamp()}
    return ServiceState(bundle=bundle, **facts, **moments, **values)


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

    def stamp(path, name):
        return Wish(kind="stamp", name=name, item=Item(id=str(path), name=path.name, path=path))

    with closing(Easel((sys.executable, "-c", program))) as easel:
        assert easel.draw(stamp(deadly, "x")) is None
        assert easel.draw(stamp(path, str(images.identifiers[0]))) is not None
        assert easel.draw(stamp(tmp_path / "gone", "x")) is None


@pytest.mark.parametrize("content", [b"", b"SIMPLE  =", b"Obj\x01", b"PAR1", b"\x89PNG", b"x" * 99])
def test_what_is_no_picture_gives_none(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    for paint in (paint_stamp, paint_disk):
        with suppress(SkysiftError):
            assert paint(path, "x") == {}


def _image(text: str) -> Image.Image:
    return Image.open(BytesIO(base64.b64decode(text)))
