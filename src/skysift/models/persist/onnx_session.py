"""A session of ONNX Runtime on verified bytes: the device that was asked for, and no other."""

import time
from functools import cache
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as _runtime

from skysift.core.device import Device
from skysift.core.errors import BundleError, UnknownNameError, UsageError
from skysift.models.persist.archive import malformed

__all__ = ["find_device", "open_session"]

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_SETTINGS = {
    "cpu": {},
    "cuda": {"use_tf32": "0"},  # which would round factors to 10 bits: answers would depend on it
}
_FATAL_ONLY = 4  # what it raises is told by us
_RUNTIME_ERRORS: tuple[type[Exception], ...] = (  # they have no common class but Exception
    RuntimeError,  # of bound buffers
    *(
        found
        for found in vars(_runtime).values()
        if isinstance(found, type) and issubclass(found, Exception)
    ),
)


_SHRUNK_EVERY = 10.0  # s
_SHRINK = "memory.enable_memory_arena_shrinkage"  # of onnxruntime_run_options_config_keys.h


class _Session(onnxruntime.InferenceSession):  # type: ignore[misc]  # the runtime has no types
    """A session whose errors are ours, and which does not keep the memory of its largest batch.

    A graph may load and yet ask for what is not there. And the runtime keeps what its largest run
    took, for the next one of that size, which in a service that runs for weeks may never come: 100
    MiB of 4,000 events for gamma-hadron. Now and then a run is told to give it back at its end.
    """

    _shrunk = -_SHRUNK_EVERY

    def run(self, names: Any, feed: Any, run_options: Any = None) -> Any:
        try:
            return super().run(names, feed, run_options or self._options())
        except _RUNTIME_ERRORS as error:
            raise _cannot_run(error) from error

    def run_with_iobinding(self, *arguments: Any, **options: Any) -> None:
        try:
            super().run_with_iobinding(*arguments, **options)
        except _RUNTIME_ERRORS as error:
            raise _cannot_run(error) from error

    def _options(self) -> Any:
        """Return options for a run that gives back what it does not need, or None if not now."""
        now = time.monotonic()
        if now - self._shrunk < _SHRUNK_EVERY or self.get_providers() != [_PROVIDERS["cpu"]]:
            return None
        self._shrunk = now
        options = onnxruntime.RunOptions()
        options.add_run_config_entry(_SHRINK, "cpu:0")
        return options


def _cannot_run(error: Exception) -> BundleError:
    return BundleError(
        f"ONNX Runtime could not run the model: {str(error).splitlines()[0]}.",
        "Fetch the bundle again, or train it again; if other inputs are answered, this one asks "
        "for more than there is.",
    )


def find_device(asked: Device = "auto") -> str:
    """Return where sessions can run: "cuda" or "cpu".

    Parameters
    ----------
    asked : {"auto", "cpu", "cuda"}
        "auto" is a GPU where ONNX Runtime can use one, else the processor.

    Raises
    ------
    UsageError
        If a GPU is asked for that ONNX Runtime cannot use; it says what to install.
    UnknownNameError
        If there is no such device.
    """
    if asked not in {"auto", *_PROVIDERS}:
        raise UnknownNameError("device", asked, ("auto", *_PROVIDERS))
    if asked == "cpu":
        return "cpu"
    has_cuda = _PROVIDERS["cuda"] in onnxruntime.get_available_providers()
    fault = _fault_of_gpu() if has_cuda else "this ONNX Runtime is made for processors"
    if not fault:
        return "cuda"
    if asked == "auto":
        return "cpu"
    raise _no_gpu(fault, installed=has_cuda)


@cache
def _fault_of_gpu() -> str:
    """Return why an ONNX Runtime that is made for GPUs can use none; empty if it can."""
    try:  # a session would go over to the processor without a word
        onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(1, np.float32), "cuda", 0)
    except Exception as error:  # noqa: BLE001  # of libraries that may not even load
        return str(error).strip().splitlines()[0] if str(error).strip() else "no GPU answers"
    return ""


def _no_gpu(fault: str, *, installed: bool) -> UsageError:
    remedy = (
        "Look at nvidia-smi, and at the CUDA and cuDNN that onnxruntime-gpu asks for"
        if installed
        else "Run: pip uninstall onnxruntime; pip install onnxruntime-gpu"
    )
    return UsageError(
        f"ONNX Runtime cannot use a GPU: {fault.rstrip('.')}.", f"{remedy}; or use the device cpu."
    )


def open_session(data: bytes, *, threads: int = 1, device: str = "cpu") -> Any:
    """Return an inference session, which raises a BundleError where the runtime would its own.

    Parameters
    ----------
    data : bytes
        A serialised model that :func:`.onnx_graph.check_onnx_graph` has let pass.
    threads : int
        Threads for one call.
    device : {"cpu", "cuda"}
        Where to run.

    Raises
    ------
    UsageError
        If the device is not available.
    BundleError
        If the runtime refuses the model.
    """
    provider = _PROVIDERS.get(device, "")
    if provider not in onnxruntime.get_available_providers():
        raise UsageError(
            f"The device '{device}' is not available to ONNX Runtime.",
            'Use "cpu", or install onnxruntime-gpu for "cuda".',
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL_ONLY
    try:
        session = _Session(data, options, providers=[(provider, _SETTINGS[device])])
    except Exception as error:  # the runtime's errors have no common class but this
        raise malformed(f"ONNX Runtime refuses it: {str(error).splitlines()[0]}") from error
    if provider not in session.get_providers():
        raise _no_gpu("a session went over to the processor", installed=True)
    return session
