"""The maps of the last windows, as the service's worker leaves them beside the spool."""

import hashlib
import json
import re
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import UsageError
from skysift.data.sky.tangent import TangentGrid
from skysift.serve.config import state_folder

__all__ = ["LAYERS", "MapFolder", "WindowMaps"]

LAYERS = ("raw", "cleaned", "residual")
"""What is shown of a window, in this order; ``raw = background + cleaned + residual``."""

_NAME = re.compile(r"maps-[0-9.]+m?s\.npz")
_MOST_BYTES = 32 * 2**20
_MOST_SIDE = 2048
_MOST_LENGTHS = 12
_DIGITS = 16
_RECENT = 24  # maps that were read last
_KEPT = 48  # sources whose maps stay in memory


@dataclass(frozen=True, eq=False)
class WindowMaps:
    """The maps of one window.

    Parameters
    ----------
    window_id : str
    revision : int
    length : float [s]
    header : mapping
        All that the worker noted of it.
    grid : TangentGrid
        Of the pixels.
    layers : mapping of str to array, shape (n_y, n_x)
        By name: counts per pixel.
    """

    window_id: str
    revision: int
    length: float
    header: Mapping[str, Any]
    grid: TangentGrid
    layers: Mapping[str, NDArray[np.float32]]

    @property
    def key(self) -> str:
        """What names it in an address."""
        name = f"{self.window_id}\n{self.revision}\n{self.length}"
        return hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]


class MapFolder:
    """Reads the maps that are new; keeps those that show a source best.

    Parameters
    ----------
    sink : Path
        The folder that the service writes to.
    """

    def __init__(self, sink: Path) -> None:
        self._folder = state_folder(sink) / "live"
        self._seen: dict[str, tuple[int, int]] = {}
        self.latest: dict[float, WindowMaps] = {}
        self._recent: deque[WindowMaps] = deque(maxlen=_RECENT)
        self._kept: OrderedDict[str, WindowMaps] = OrderedDict()

    def read(self) -> bool:
        """Read what has changed; tell whether something has."""
        changed = False
        for path in sorted(self._folder.glob("maps-*.npz"))[:_MOST_LENGTHS]:
            try:
                facts = path.stat()
            except OSError:
                continue  # replaced this moment
            seen = (facts.st_mtime_ns, facts.st_size)
            if self._seen.get(path.name) == seen or not _NAME.fullmatch(path.name):
                continue
            self._seen[path.name] = seen
            maps = _read(path) if facts.st_size <= _MOST_BYTES else None
            if maps is not None:
                self.latest[maps.length] = maps
                self._recent.append(maps)  # a page may be about to ask for its pictures
                changed = True
        return changed

    def keep(self, source: str, window_id: str) -> None:
        """Keep the maps of the window that shows a source best, if they are the latest."""
        for maps in self.latest.values():
            if maps.window_id == window_id:
                self._kept[source] = maps
                self._kept.move_to_end(source)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)

    def of_source(self, source: str) -> WindowMaps | None:
        """Return the maps that were kept for a source."""
        return self._kept.get(source)

    def find(self, key: str) -> WindowMaps | None:
        """Return maps by what names them in an address."""
        known = [*list(self._recent), *list(self._kept.values())]
        return next((maps for maps in known if maps.key == key), None)


def _read(path: Path) -> WindowMaps | None:
    """Return what a file holds, None if it is not what was agreed on."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            header = json.loads(str(stored["header"]))
            layers = {name: np.asarray(stored[name], dtype=np.float32) for name in LAYERS}
        shape = layers[LAYERS[0]].shape
        if len(shape) != 2 or max(shape) > _MOST_SIDE:  # noqa: PLR2004  # rows and columns
            return None
        if any(layer.shape != shape for layer in layers.values()):
            return None
        return WindowMaps(
            str(header["window_id"]),
            int(header["revision"]),
            float(header["window"]),
            header,
            _grid(header["wcs"], shape),
            layers,
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, UsageError):
        return None


def _grid(cards: Mapping[str, Any], shape: tuple[int, ...]) -> TangentGrid:
    return TangentGrid(
        ra=float(cards["CRVAL1"]),
        dec=float(cards["CRVAL2"]),
        n_x=shape[1],
        n_y=shape[0],
        pixel_size=float(cards["CDELT2"]),
    )
