"""Where the networks of the methods run."""

from collections.abc import Collection

from skysift.core.device import Device
from skysift.core.errors import UsageError
from skysift.tasks.gamma_sky.options import NETWORKS

__all__ = ["device_for"]


def device_for(methods: Collection[str], asked: Device) -> str:
    """Return the device, "cpu" or "cuda", for some methods; "cpu" where none asks a network.

    Raises
    ------
    UsageError
        If a GPU is asked for that is not there, or that no method has a use for.
    """
    if any(method in NETWORKS for method in methods):
        # The runtime takes its time to import, and only networks need it.
        from skysift.models.persist.onnx_session import find_device  # noqa: PLC0415

        return find_device(asked)
    if asked == "cuda":
        raise UsageError(
            f"No network is asked by {', '.join(methods)}: only those run on a GPU.",
            f"Leave out --device, or ask one: {', '.join(NETWORKS)}.",
        )
    return "cpu"
