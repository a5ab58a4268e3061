"""Published networks from a bundle, ready to run: neither torch nor scikit-learn is needed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from skysift.core.bundle import Bundle
from skysift.core.config import Config
from skysift.core.errors import BundleError
from skysift.models.sky.baseline.networks import PublishedNetworks
from skysift.models.sky.baseline.runtime import CleanerRuntime, RegressorRuntime
from skysift.models.sky.baseline.variants import Variant
from skysift.tasks.gamma_sky.model import REGRESSOR_FILE, is_published

__all__ = [
    "CLEANER_FILE",
    "MODULE",
    "SETTINGS_FILE",
    "TASK",
    "PublishedBundle",
    "PublishedSettings",
    "load_published",
    "read_published",
    "ready_networks",
]

TASK = "gamma-sky"
MODULE = "skysift.tasks.gamma_sky.baseline"
CLEANER_FILE, SETTINGS_FILE = "cleaner.onnx", "networks.json"


class PublishedSettings(Config):
    """What ``networks.json`` holds; by an analytic response of the array, or else by a file."""

    variant: Variant
    pixel_size: float = 0.025
    energies: tuple[float, float] = (0.04, 1.0)
    radius: float = 2.5
    exposure: float = 100.0  # s
    array: str = "north"
    analytic: bool = True


@dataclass(frozen=True)
class PublishedBundle:
    """Published networks that were loaded.

    Parameters
    ----------
    networks : PublishedNetworks
        Ready to run.
    bundle : Bundle
        Where they came from.
    """

    networks: PublishedNetworks
    bundle: Bundle


def read_published(folder: str | Path) -> tuple[Bundle, PublishedSettings, dict[str, bytes]]:
    """Return a bundle of published networks with what maps they take, and their graphs.

    Raises
    ------
    BundleError
        If the bundle is damaged, holds what is not allowed, or holds no such networks.
    """
    bundle = Bundle.load(folder, task=TASK)
    if not is_published(bundle):
        raise BundleError(
            "The bundle holds no CNN-cleaner and CNN-regressor.",
            f"Train some with: python -m {MODULE}.training NETWORKS; then make a bundle with: "
            f"python -m {MODULE}.bundle NETWORKS FOLDER --variant original",
            path=bundle.folder,
        )
    try:
        settings = PublishedSettings.model_validate_json(bundle.read_bytes(SETTINGS_FILE))
    except ValidationError as error:
        raise BundleError(
            f"The settings of the networks are not sound: {error.errors()[0]['msg']}.",
            "Make the bundle again.",
            path=bundle.folder,
        ) from error
    return (
        bundle,
        settings,
        {name: bundle.read_bytes(name) for name in (CLEANER_FILE, REGRESSOR_FILE)},
    )


def load_published(folder: str | Path, *, device: str = "cpu") -> PublishedBundle:
    """Load published networks; errors as of `read_published` and `ready_networks`."""
    bundle, settings, graphs = read_published(folder)
    return PublishedBundle(ready_networks(graphs, settings, device=device), bundle)


def ready_networks(
    graphs: Mapping[str, bytes], settings: PublishedSettings, *, device: str = "cpu"
) -> PublishedNetworks:
    """Return networks that are ready to run.

    Parameters
    ----------
    graphs : mapping of str to bytes
        By file.
    settings : PublishedSettings
        What maps they take.
    device : {"cpu", "cuda"}
        Where to run.

    Raises
    ------
    BundleError
        If a graph is damaged, or not that of such a network.
    UsageError
        If the two are for maps of different sizes, or the device is not available.
    """
    return PublishedNetworks(
        settings.variant,
        CleanerRuntime(graphs[CLEANER_FILE], device=device),
        RegressorRuntime(graphs[REGRESSOR_FILE], device=device),
        settings.pixel_size,
        settings.energies,
        settings.radius,
        settings.exposure,
    )
