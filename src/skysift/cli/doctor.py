"""What ``skysift doctor`` looks at."""

import os
import platform
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, version
from importlib.util import find_spec
from pathlib import Path

from skysift import __version__
from skysift.core.registry import list_tasks

__all__ = ["Check", "examine"]

_CORE = ("numpy", "scipy", "astropy", "pyarrow", "onnxruntime", "h5py")

_EXTRAS = {
    "learn": ("sklearn", "skops"),
    "report": ("matplotlib",),
    "boost": ("xgboost",),
    "gamma": ("gammapy",),
    "solar": ("sunpy",),
    "train": ("torch", "onnx"),
    "fast": ("numba", "faiss"),
    "catalogs": ("pyvo",),
    "zarr": ("zarr",),
    "stream": ("confluent_kafka", "fastavro"),
    "serve": ("fastapi", "uvicorn"),
    "dask": ("dask", "distributed"),
    "hats": ("lsdb",),
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: ``ok``, ``absent`` (optional and not there) or ``failed``."""

    what: str
    status: str
    detail: str

    def to_row(self) -> dict[str, str]:
        """Return the check as a table row."""
        return {"check": self.what, "status": self.status, "detail": self.detail}


def examine() -> list[Check]:
    """Look at versions, extras, processors, the mirror, and the folders that are written."""
    return [*_versions(), *_extras(), *_machine(), *_folders(), *_bundles()]


def _versions() -> list[Check]:
    checks = [
        Check("skysift", "ok", __version__),
        Check("python", "ok" if sys.version_info >= (3, 11) else "failed", sys.version.split()[0]),
    ]
    for name in _CORE:
        try:
            checks.append(Check(name, "ok", version(name)))
        except PackageNotFoundError:
            checks.append(Check(name, "failed", "not installed; run: pip install skysift"))
    return checks


def _extras() -> list[Check]:
    checks = []
    for extra, modules in _EXTRAS.items():
        missing = [module for module in modules if find_spec(module) is None]
        status = "absent" if missing else "ok"
        detail = (
            f'without {", ".join(missing)}; run: pip install "skysift[{extra}]"'
            if missing
            else metadata("skysift")["Name"] + f"[{extra}]"
        )
        checks.append(Check(f"extra {extra}", status, detail))
    return checks


def _machine() -> list[Check]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    checks = [
        Check("platform", "ok", platform.platform()),
        Check("processor", "ok", f"{platform.machine()}, {cores} cores usable"),
    ]
    import onnxruntime

    providers = onnxruntime.get_available_providers()
    gpu = [name for name in providers if name.startswith(("CUDA", "Tensorrt", "ROCM", "CoreML"))]
    checks.append(
        Check("GPU", "ok" if gpu else "absent", ", ".join(gpu) or "ONNX Runtime runs on the CPU")
    )
    return checks


def _folders() -> list[Check]:
    from skysift.data.fetch import cache_folder

    mirror = os.environ.get("SKYSIFT_MIRROR")
    if mirror is None:
        checks = [Check("mirror", "absent", "SKYSIFT_MIRROR is not set")]
    elif Path(mirror).is_dir():
        checks = [Check("mirror", "ok", mirror)]
    else:
        checks = [Check("mirror", "failed", f"SKYSIFT_MIRROR is not a folder: {mirror}")]
    for what, folder in (("data cache", cache_folder()), ("working folder", Path.cwd())):
        writable = os.access(_nearest_existing(folder), os.W_OK)
        detail = str(folder) if writable else f"not writable: {folder}; set SKYSIFT_CACHE"
        checks.append(Check(what, "ok" if writable else "failed", detail))
    return checks


def _bundles() -> list[Check]:
    from skysift.core.bundle import Bundle
    from skysift.core.errors import BundleError
    from skysift.core.registry import shipped_bundles

    checks = []
    for item in list_tasks():
        for folder in shipped_bundles(item.name):
            what = f"bundle {item.name}/{folder.name}"
            try:
                checks.append(Check(what, "ok", Bundle.load(folder, task=item.name).hash[:12]))
            except BundleError as error:
                checks.append(Check(what, "failed", str(error)))
    return checks


def _nearest_existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder
