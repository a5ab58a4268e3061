"""Where networks run, as an option of every prediction that can choose. Imports nothing heavy."""

from typing import Literal

from pydantic import Field

from skysift.core.config import Config

__all__ = ["Device", "DeviceOption"]

Device = Literal["auto", "cpu", "cuda"]


class DeviceOption(Config):
    """The option of every prediction whose networks can run on a GPU."""

    device: Device = Field(
        "auto",
        description="Where networks run: 'cuda', a GPU of NVIDIA by onnxruntime-gpu; 'cpu'; or "
        "'auto': a GPU that ONNX Runtime can use, else the processor.",
    )
