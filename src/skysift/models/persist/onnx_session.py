"""A session of ONNX Runtime on verified bytes: the device that was asked for, and no other."""

from typing import Any

import onnxruntime

from skysift.core.errors import UsageError
from skysift.models.persist.archive import malformed

__all__ = ["open_session"]

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_ERRORS_ONLY = 3


def open_session(data: bytes, *, threads: int = 1, device: str = "cpu") -> Any:
    """Return an inference session.

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
    provider = _PROVIDERS.get(device)
    if provider not in onnxruntime.get_available_providers():
        raise UsageError(
            f"The device '{device}' is not available to ONNX Runtime.",
            'Use "cpu", or install onnxruntime-gpu for "cuda".',
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    try:
        return onnxruntime.InferenceSession(data, options, providers=[provider])
    except Exception as error:  # the runtime's errors have no common class but this
        raise malformed(f"ONNX Runtime refuses it: {str(error).splitlines()[0]}") from error
