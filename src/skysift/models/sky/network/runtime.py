"""The exported network by ONNX Runtime, a map at a time."""

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError
from skysift.models.persist.archive import malformed
from skysift.models.persist.onnx_graph import check_onnx_graph
from skysift.models.persist.onnx_session import open_session
from skysift.models.sky.network.architecture import (
    BLOCK,
    LOG_VARIANCE,
    MOST_TWIST,
    SkyNetworkSettings,
)
from skysift.models.sky.network.export import INPUT, OUTPUTS

__all__ = ["NetworkOutput", "SkyNetwork", "conditions_of", "covariance_of", "groups_of"]

Floats = NDArray[np.float32]

_ROUND, _FULL = 4, 6  # channels of a head that states one variance, or a covariance
_FAR, _LONG = 3.0, 3.0  # deg, and decades of seconds: conditions are of order one


def groups_of(n_bands: int, n_groups: int) -> NDArray[np.int64]:
    """Return the band of the network that each band of a map belongs to, shape (n_bands,).

    Neighbours are added up, the lowest energies first; bands of the network may stay empty.

    Examples
    --------
    >>> groups_of(6, 4).tolist()
    [0, 0, 1, 1, 2, 3]
    >>> groups_of(2, 4).tolist()
    [0, 1]
    """
    parts = np.array_split(np.arange(n_bands), n_groups)
    return np.repeat(np.arange(n_groups), [len(part) for part in parts])


def conditions_of(offset: NDArray[np.floating[Any]], livetime: float) -> Floats:
    """Return the conditions of a map as the network takes them.

    Parameters
    ----------
    offset : array, shape (n_y, n_x) [deg]
        From the pointing.
    livetime : float [s]

    Returns
    -------
    array, shape (2, n_y, n_x)
    """
    exposure = np.full(offset.shape, np.log10(max(livetime, 1.0)) / _LONG)
    return np.stack([offset / _FAR, exposure]).astype(np.float32)


def covariance_of(heat: Floats) -> Floats:
    """Return the covariance of column and row that the head of centres states.

    Parameters
    ----------
    heat : array of float32, shape (6, n_y / 4, n_x / 4)
        As the network gives it; of 4 channels where the head states one variance for both.

    Returns
    -------
    array of float32, shape (n_y / 4, n_x / 4, 2, 2) [pixel2]
    """
    log_x = log_y = np.clip(heat[3], *LOG_VARIANCE)
    correlation = np.zeros_like(log_x)
    if len(heat) > _ROUND:
        log_y = np.clip(heat[4], *LOG_VARIANCE)
        correlation = np.tanh(np.clip(heat[5], -MOST_TWIST, MOST_TWIST))
    found = np.empty((*log_x.shape, 2, 2), dtype=np.float32)
    found[..., 0, 0], found[..., 1, 1] = np.exp(log_x), np.exp(log_y)
    found[..., 0, 1] = found[..., 1, 0] = correlation * np.exp((log_x + log_y) / 2)
    return np.asarray(BLOCK**2 * found)


@dataclass(frozen=True, slots=True)
class NetworkOutput:
    """What the network says of a map.

    Parameters
    ----------
    factor : array of float32, shape (n_bands, n_y, n_x)
        Background over the smooth background.
    source : array of float32, shape (n_bands, n_y, n_x)
        Expected counts of sources.
    centre_log_odds : array of float32, shape (n_y / 4, n_x / 4)
        Of a source's centre in the block.
    column, row : array of float32, shape (n_y / 4, n_x / 4)
        Pixel coordinates of that centre.
    covariance : array of float32, shape (n_y / 4, n_x / 4, 2, 2)
        Of column and row [pixel2].
    """

    factor: Floats
    source: Floats
    centre_log_odds: Floats
    column: Floats
    row: Floats
    covariance: Floats


class SkyNetwork:
    """A trained network, ready to run.

    Parameters
    ----------
    data : bytes
        What `export.export_network` made.
    settings : SkyNetworkSettings
        Of the network.
    threads : int
        For one map.
    device : {"cpu", "cuda"}
        Where to run; never anywhere else than asked.

    Raises
    ------
    BundleError
        If the graph is damaged, refers to other files, or is not this network's.
    UsageError
        If the device is not available.

    Notes
    -----
    Threads may share it.
    """

    def __init__(
        self, data: bytes, settings: SkyNetworkSettings, *, threads: int = 1, device: str = "cpu"
    ) -> None:
        check_onnx_graph(data)
        self.settings = settings
        self._session = open_session(data, threads=threads, device=device)
        inputs = [(item.name, item.shape[1:]) for item in self._session.get_inputs()]
        names = tuple(item.name for item in self._session.get_outputs())
        wanted = [2 * settings.n_bands + 2, *settings.shape]
        rows, columns = settings.blocks
        heat = self._session.get_outputs()[-1].shape[1:]
        known = heat in ([channels, rows, columns] for channels in (_ROUND, _FULL))
        if inputs != [(INPUT, wanted)] or names != OUTPUTS or not known:
            raise malformed("it is not the graph of a sky network with these settings")
        self._middle_x = (np.arange(columns) * BLOCK + (BLOCK - 1) / 2).astype(np.float32)
        self._middle_y = (np.arange(rows) * BLOCK + (BLOCK - 1) / 2).astype(np.float32)[:, None]
        self._local = threading.local()

    def __call__(self, counts: Floats, expected: Floats, conditions: Floats) -> NetworkOutput:
        """Apply the network to one map.

        Parameters
        ----------
        counts, expected : array of float32, shape (any number of bands, n_y, n_x)
            Raw counts, and those of the smooth background.
        conditions : array of float32, shape (2, n_y, n_x)
            From `conditions_of`.

        Raises
        ------
        InputError
            If a shape does not fit.
        """
        bands, shape = self.settings.n_bands, self.settings.shape
        if counts.shape[1:] != shape or expected.shape != counts.shape:
            raise InputError(
                f"A map of shape {counts.shape} does not fit a network for {shape} pixels.",
                "Use the grid that it was trained on.",
            )
        maps = self._buffer()
        groups = groups_of(len(counts), bands)
        for group in range(bands):
            own = np.flatnonzero(groups == group)
            for start, values in ((0, counts), (bands, expected)):
                if len(own):
                    np.sum(values[own[0] : own[-1] + 1], axis=0, out=maps[0, start + group])
                else:
                    maps[0, start + group] = 0.0
        maps[0, 2 * bands :] = conditions
        factor, source, heat = self._session.run(OUTPUTS, {INPUT: maps})
        return NetworkOutput(
            factor[0],
            source[0],
            heat[0, 0],
            self._middle_x + BLOCK * heat[0, 1],
            self._middle_y + BLOCK * heat[0, 2],
            covariance_of(heat[0]),
        )

    def _buffer(self) -> Floats:
        """Return this thread's input array: fresh pages cost as much as a layer."""
        if not hasattr(self._local, "maps"):
            shape = (1, 2 * self.settings.n_bands + 2, *self.settings.shape)
            self._local.maps = np.empty(shape, dtype=np.float32)
        buffer: Floats = self._local.maps
        return buffer
