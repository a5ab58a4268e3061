"""Running cleaner and regressor: ONNX Runtime, a map or a few at a time, threads side by side.

What limits this network on a processor is memory, not arithmetic: 17 million multiplications a
map are little, but its first layer alone writes 2 MB. So each call holds one map, whose layers
stay in the cache; threads take different maps rather than parts of one; arrays are bound, not
copied, and buffers are used again, because fresh pages cost as much as a layer.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import BundleError, UsageError
from skysift.models.persist.archive import malformed
from skysift.models.persist.onnx_graph import check_onnx_graph
from skysift.models.persist.onnx_session import open_session
from skysift.models.sky.baseline.maps import check_maps

__all__ = ["CleanerRuntime", "RegressorRuntime"]

Floats = NDArray[np.float32]

_CHUNKS = {"cpu": 1, "cuda": 128}
_MAPS_PER_TASK = 16  # long enough to hide the hand-over to a thread, short enough to share out
_RANK = 4


class CleanerRuntime:
    """A cleaner in an ONNX graph, for maps of one size.

    Parameters
    ----------
    data : bytes
        The model: ``skysift.models.sky.baseline.export.export_folded_cleaner`` makes it.
    threads : int
        Maps that are worked on at the same time.
    device : {"cpu", "cuda"}
        Where to run; never anywhere else than asked.
    chunk : int, optional
        Maps per call of the runtime: 1 on a processor, 128 on a GPU unless given.

    Raises
    ------
    BundleError
        If the model is damaged, refers to other files, asks for operators beyond ONNX, or does not
        take maps and give maps.
    UsageError
        If the device is not available, or a number is not positive.

    Notes
    -----
    Threads may share it. :meth:`close`, or leaving a ``with`` block, ends its own threads.
    """

    def __init__(
        self, data: bytes, *, threads: int = 1, device: str = "cpu", chunk: int | None = None
    ) -> None:
        if threads < 1 or (chunk is not None and chunk < 1):
            raise UsageError("Threads and chunk have to be positive.", "Give 1 or more.")
        check_onnx_graph(data)
        self._session = open_session(data, device=device)
        self._input, self._output, self.shape = _check_signature(self._session)
        self._chunk = chunk or _CHUNKS[device]
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._local = threading.local()

    def predict(self, inputs: ArrayLike, out: Floats | None = None) -> Floats:
        """Return what the network makes of ready inputs.

        Parameters
        ----------
        inputs : array, shape (n, n_y, n_x)
            As the network was trained on them: ``Variant.network_input``.
        out : array of float32, shape (n, n_y, n_x), optional
            Where to write. Give the same again and again where speed matters.

        Returns
        -------
        array of float32, shape (n, n_y, n_x)
            The network's output; `out` if that was given.

        Raises
        ------
        UsageError
            If a shape does not fit.
        """
        maps = np.ascontiguousarray(self._check(inputs), dtype=np.float32)
        result = self._result(maps, out)
        if self._pool is None or len(maps) == 1:
            self._run(maps, result)
        else:
            tasks = list(self._tasks(len(maps)))
            done = self._pool.map(lambda part: self._run(maps[part], result[part]), tasks)
            list(done)  # an error in a thread is raised here
        return result

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _check(self, inputs: ArrayLike) -> NDArray[Any]:
        maps = check_maps(inputs)
        if maps.shape[1:] != self.shape:
            raise UsageError(
                f"Maps of {maps.shape[1]} x {maps.shape[2]} pixels do not fit a model of "
                f"{self.shape[0]} x {self.shape[1]}.",
                "Give maps of that size, or export the cleaner for this one.",
            )
        return maps

    def _result(self, maps: Floats, out: Floats | None) -> Floats:
        if out is None:
            return np.empty(maps.shape, np.float32)
        if out.shape != maps.shape or out.dtype != np.float32 or not out.flags.c_contiguous:
            raise UsageError(
                f"The output of shape {out.shape} and type {out.dtype} cannot be written.",
                f"Give a contiguous array of float32 with the shape {maps.shape}.",
            )
        return out

    def _tasks(self, n: int) -> Iterator[slice]:
        size = min(_MAPS_PER_TASK * self._chunk, -(-n // self._threads))
        for start in range(0, n, size):
            yield slice(start, start + size)

    def _run(self, maps: Floats, result: Floats) -> None:
        if not hasattr(self._local, "binding"):
            self._local.binding = self._session.io_binding()
        binding = self._local.binding
        for start in range(0, len(maps), self._chunk):
            stop = min(start + self._chunk, len(maps))
            shape = (stop - start, 1, *self.shape)
            source, target = maps[start:stop].ctypes.data, result[start:stop].ctypes.data
            binding.bind_input(self._input, "cpu", 0, np.float32, shape, source)
            binding.bind_output(self._output, "cpu", 0, np.float32, shape, target)
            self._session.run_with_iobinding(binding)


class RegressorRuntime:
    """A regressor in an ONNX graph, for maps of one size.

    Parameters
    ----------
    data : bytes
        The model: ``skysift.models.sky.baseline.export.export_layers`` makes it.
    device : {"cpu", "cuda"}
        Where to run; never anywhere else than asked.

    Raises
    ------
    BundleError
        If the model is damaged, refers to other files, asks for operators beyond ONNX, or does not
        take maps and give positions.
    UsageError
        If the device is not available.
    """

    def __init__(self, data: bytes, *, device: str = "cpu") -> None:
        check_onnx_graph(data)
        self._session = open_session(data, device=device)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise malformed("a regressor has one input and one output")
        shape = inputs[0].shape
        takes_maps = len(shape) == _RANK and shape[1] == 1
        if not takes_maps or not all(isinstance(length, int) for length in shape[2:]):
            raise malformed("it does not take maps of one size")
        if list(outputs[0].shape[1:]) != [2]:
            raise malformed("it does not give positions")
        self._input, self.shape = inputs[0].name, (int(shape[2]), int(shape[3]))

    def predict(self, inputs: ArrayLike) -> NDArray[np.float64]:
        """Return x and y over the number of pixels, shape (n, 2).

        Parameters
        ----------
        inputs : array, shape (n, n_y, n_x)
            As the network was trained on them: ``Variant.network_input``.

        Raises
        ------
        UsageError
            If a shape does not fit.
        """
        maps = check_maps(inputs)
        if maps.shape[1:] != self.shape:
            raise UsageError(
                f"Maps of {maps.shape[1]} x {maps.shape[2]} pixels do not fit a model of "
                f"{self.shape[0]} x {self.shape[1]}.",
                "Give maps of that size.",
            )
        found = np.empty((len(maps), 2))
        for number in range(len(maps)):
            one = np.ascontiguousarray(maps[number][None, None], dtype=np.float32)
            (found[number : number + 1],) = self._session.run(None, {self._input: one})
        return found


def _check_signature(session: Any) -> tuple[str, str, tuple[int, int]]:
    """Return the names of input and output, and rows and columns of a map."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise BundleError(
            f"A cleaner has one input and one output, not {len(inputs)} and {len(outputs)}.",
            "Export the cleaner again.",
        )
    (source,), (target,) = inputs, outputs
    wanted = source.type == target.type == "tensor(float)" and source.shape == target.shape
    if not wanted or len(source.shape) != _RANK or source.shape[1] != 1:
        raise malformed("it does not take maps and give maps of the same size")
    _, _, n_y, n_x = source.shape
    if not (isinstance(n_y, int) and isinstance(n_x, int)):
        raise malformed("the size of its maps is left open")
    return source.name, target.name, (n_y, n_x)
