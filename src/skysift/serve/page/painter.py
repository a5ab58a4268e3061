"""The process that draws what nobody vouches for: ``python -m skysift.serve.page.painter``.

It reads one wish a line and answers with one line. It opens the files that the service has
answered, within bounds of memory and time that the system keeps, and may die of them without harm
to the page.
"""

import base64
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import islice
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from skysift.core.errors import SkysiftError
from skysift.data.images.alerts import Cutout
from skysift.data.images.readers import iter_images
from skysift.data.solar.readers import iter_solar_images
from skysift.data.solar.solar_image import SolarImage
from skysift.serve.bounds import bound_memory, bounded_time
from skysift.serve.packs import read_message
from skysift.serve.page.drawing import limits_of, picture
from skysift.serve.page.easel import Wish
from skysift.serve.staging import warm_up
from skysift.serve.wire import as_container, is_wire

__all__ = ["main", "paint_disk", "paint_stamp"]

_SECONDS = 20.0
_MEMORY = 2048 * 2**20  # of address space, of which pyarrow takes the half in advance
_MOST_STAMPS = 5000  # of a file that are looked at for the one that is wanted
_STAMP_SIDE = 126  # pixels of each picture of a stamp
_GAP = 6
_DISK_SIDE = 640
_MOST_DISKS = 10  # members of a file that are looked at for an image


def paint_stamp(path: Path, name: str) -> dict[str, Any]:
    """Return the pictures of a stamp beside one another, as many of the three as there are.

    Parameters
    ----------
    path : Path
        A file of cutouts or alerts.
    name : str
        Of the one that is wanted.
    """
    shown = [found for cutout in Cutout if (found := _stamp(path, name, cutout)) is not None]
    if len(shown) > 1 and all(np.array_equal(shown[0], other, equal_nan=True) for other in shown):
        shown = shown[:1]  # a plain cutout: there is but one of it
    if not shown:
        return {}
    side = _STAMP_SIDE
    strip = Image.new("RGBA", (len(shown) * (side + _GAP) - _GAP, side))
    for place, values in enumerate(shown):
        strip.paste(_drawn(values, side), (place * (side + _GAP), 0))
    return {"png": _png(strip), "width": strip.width, "height": side}


def _stamp(path: Path, name: str, cutout: Cutout) -> NDArray[np.float32] | None:
    seen = 0
    for batch in iter_images([path], cutout=cutout, batch=200):
        images = batch.images
        rows = np.flatnonzero(images.identifiers == name) if images is not None else []
        if images is not None and len(rows):
            height, width = images.sizes[rows[0]]
            return np.asarray(images.pixels[rows[0], :height, :width])
        seen += 0 if images is None else len(images)
        if seen > _MOST_STAMPS:
            return None
    return None


def paint_disk(path: Path, _name: str) -> dict[str, Any]:
    """Return the picture of the first image of the Sun of a file, and where its pixels lie."""
    found = islice(iter_solar_images([path]), _MOST_DISKS)
    image = next((one for one in found if isinstance(one, SolarImage)), None)
    if image is None:
        return {}
    values = image.data
    step = max(1, -(-max(values.shape) // _DISK_SIDE))
    drawn = _drawn(values[::step, ::step], None)
    place = image.placement
    return {
        "png": _png(drawn),
        "width": values.shape[1],
        "height": values.shape[0],
        "placement": [place.xx, place.xy, place.yx, place.yy, place.x0, place.y0],
    }


@contextmanager
def _path(wish: Wish) -> Iterator[Path]:
    """Give the path of a record; a message of a pack is a file for as long as it is looked at."""
    item = wish.item
    if item.start is None:
        yield item.path
        return
    data = read_message(item.path, item.start, item.size)
    if is_wire(data):
        data = as_container(data, wish.schemas)
    with TemporaryDirectory(prefix="skysift-") as folder:
        path = Path(folder, PurePath(item.name).name)
        path.write_bytes(data)
        yield path


def _drawn(values: NDArray[np.float32], side: int | None) -> Image.Image:
    content = picture(values, "image", limits_of(values, "image"))
    image = Image.open(BytesIO(content)).convert("RGBA")
    return image if side is None else image.resize((side, side), Image.Resampling.NEAREST)


def _png(image: Image.Image) -> str:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


_KINDS = {"stamp": paint_stamp, "disk": paint_disk}


def main() -> None:
    """Answer wishes until there are no more."""
    wishes, answers = _channels()
    warm_up()
    bound_memory(_MEMORY)
    for line in wishes:
        wish = Wish.model_validate_json(line)
        try:
            with bounded_time(_SECONDS), _path(wish) as path:
                answer = _KINDS[wish.kind](path, wish.name)
        except SkysiftError:
            answer = {}  # the service has said why
        except Exception as error:  # noqa: BLE001  # of a file nobody vouches for
            print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
            answer = {}
        answers.write(json.dumps(answer).encode() + b"\n")


def _channels() -> tuple[Iterator[bytes], BinaryIO]:
    """Return where wishes come from and answers go to, out of the reach of what prints or asks."""
    wishes = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return wishes, answers


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(1)  # the page is gone
