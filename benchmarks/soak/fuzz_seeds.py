"""What is damaged by the fuzzer: small sound files of every kind that is read, made by code."""

import atexit
import gzip
import hashlib
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import fastavro
import h5py
import numpy as np
from astropy.io import fits
from PIL import Image

from skysift.core.bundle import Bundle
from skysift.core.config import load_config
from skysift.core.registry import bundle_folder, load_task
from skysift.data.io import read_table
from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.counts_map_fits import read_counts_map, write_counts_map
from skysift.data.sky.tangent import TangentGrid
from skysift.data.solar.catalogs.flares import read_flares
from skysift.data.solar.catalogs.srs import read_regions
from skysift.report.run_folder import read_run
from skysift.serve.config import WatchConfig

__all__ = ["KINDS", "Kind", "make_seeds", "ztf_alerts"]

Read = Callable[[Path], Any]
SIDE = 64
TABLES = ("csv", "parquet", "ecsv", "fits", "vot", "h5")
SOLAR = ("plain", "RICE_1", "GZIP_1", "GZIP_2", "PLIO_1")
BUNDLES = {  # files that are damaged, with a description that fits them again
    "gamma-sky": "calibration.safetensors",
    "flare": "weights.safetensors",
    "streak": "trees.safetensors",
    "gamma-hadron/fast": "model.onnx",
    "active-region": "regions.onnx",
    "star-galaxy": "member-2-3.onnx",
}
SRS = """:Product: 0225SRS.txt
:Issued: 2014 Feb 25 0030 UTC
I.  Regions with Sunspots.  Locations Valid at 24/2400Z
Nmbr Location  Lo  Area  Z   LL   NN Mag Type
1982 S11E09   101  0300 Eai  15   21 Beta-Gamma
1990 S13E77   033  0200 Dkc  04   03 Beta
IA. H-alpha Plages without Spots.  Locations Valid at 24/2400Z Feb
Nmbr  Location  Lo
1983  S20W22    132
II. Regions Due to Return 25 Feb to 27 Feb
Nmbr Lat    Lo
1967 S13    112
"""
FLARES = """:Product: 20140225events.txt
:Date: 2014 02 25
#Event    Begin    Max       End  Obs  Q  Type  Loc/Frq   Particulars       Reg#
6710 +    0039   0049      0103  G15  5   XRA  1-8A      X4.9    4.2E-01   1990
"""
WATCH = """task = "gamma-sky"
[source]
folder = "in"
[sink]
folder = "out"
[engine]
latency = 1.0
"""


@dataclass(frozen=True)
class Kind:
    """What is damaged, and what reads it.

    Parameters
    ----------
    name : str
        For the counts; of a file ``NAME.SUFFIX`` among the seeds.
    read : callable
        Reads a file, or raises.
    is_fits, is_json, is_gzip : bool
        What the damage may be done to; of gzip, half of it to what is packed.
    """

    name: str
    read: Read
    is_fits: bool = False
    is_json: bool = False
    is_gzip: bool = False


@cache
def predictor(name: str, bundle: str | None = None) -> Read:
    """Return what answers one file, as the service does."""
    task = load_task(name)
    model = task.load(bundle_folder(name, bundle))
    predict = task.stream(model, task.read_options(), task.predict_options())
    return lambda path: [piece.num_rows for piece in predict(path)]


def _predicted(name: str, bundle: str | None = None) -> Read:
    return lambda path: predictor(name, bundle)(path)  # noqa: PLW0108  # loaded when it is asked


def _bundle_description(path: Path) -> None:
    """Load a bundle whose description is the file."""
    name = path.name.partition("-of-")[2].removesuffix(".json").replace("+", "/")
    folder = _copied(name, path.parent)
    (folder / "bundle.json").write_bytes(path.read_bytes())
    task = name.partition("/")[0]
    load_task(task).load(folder)


def _bundle_part(path: Path) -> None:
    """Load, and ask, a bundle one of whose files is the given one, with a hash that fits."""
    name = path.name.partition("-of-")[2].rpartition(".")[0].replace("+", "/")
    folder = _copied(name, path.parent)
    data = path.read_bytes()
    (folder / BUNDLES[name]).write_bytes(data)
    manifest = json.loads((folder / "bundle.json").read_bytes())
    manifest["files"][BUNDLES[name]] = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
    }
    (folder / "bundle.json").write_text(json.dumps(manifest))
    task, _, bundle = name.partition("/")
    loaded = load_task(task)
    model = loaded.load(folder)
    predict = loaded.stream(model, loaded.read_options(), loaded.predict_options())
    if bundle == "fast":
        table = path.with_name("events.csv")
        loaded.write_synth(loaded.synth(3, np.random.default_rng(1)), table)
        list(predict(table))


def _copied(name: str, parent: Path) -> Path:
    task, _, bundle = name.partition("/")
    folder = parent / "bundle"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(bundle_folder(task, bundle or None), folder)
    return folder


def _run(path: Path) -> None:
    """Read a run whose record is the file."""
    folder = path.parent / "run"
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_bytes(path.read_bytes())
    load_task(read_run(folder).task)


@cache
def explored() -> Path:
    """Return the folder of a run, made once."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-run-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    task = load_task("streak")
    stamps = task.write_synth(task.synth(4, np.random.default_rng(2)), folder / "s.parquet")
    rng = np.random.default_rng(1)
    task.explore([stamps], task.read_options(), folder / "run", rng, command="fuzz")
    return folder / "run"


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("events", _predicted("gamma-sky"), is_fits=True),
        Kind("events-gz", _predicted("gamma-sky"), is_fits=True, is_gzip=True),
        Kind("counts-map", read_counts_map, is_fits=True),
        Kind("stamp", _predicted("star-galaxy"), is_fits=True),
        Kind("stamp-gz", _predicted("star-galaxy"), is_fits=True, is_gzip=True),
        Kind("stamp-tar", _predicted("star-galaxy")),
        *(Kind(f"avro-{codec}", _predicted("star-galaxy")) for codec in ("null", "deflate")),
        Kind("avro-rubin", _predicted("star-galaxy")),
        Kind("avro-streak", _predicted("streak")),
        Kind("stamps-parquet", _predicted("star-galaxy")),
        *(Kind(f"solar-{name}", _predicted("active-region"), is_fits=True) for name in SOLAR),
        Kind("solar-flare", _predicted("flare"), is_fits=True),
        *(Kind(f"picture-{name}", _predicted("active-region")) for name in ("png", "jpg", "gif")),
        *(
            Kind(f"table-{name}", _predicted("gamma-hadron", "fast"), is_fits=name == "fits")
            for name in TABLES
        ),
        Kind("table-fact", read_table),
        *(
            Kind(f"description-of-{name.replace('/', '+')}", _bundle_description, is_json=True)
            for name in BUNDLES
        ),
        *(Kind(f"part-of-{name.replace('/', '+')}", _bundle_part) for name in BUNDLES),
        Kind("config", lambda path: load_config(WatchConfig, path)),
        Kind("run", _run, is_json=True),
        Kind("srs", lambda path: read_regions([path])),
        Kind("flares", lambda path: read_flares([path])),
    )
}


def make_seeds(folder: Path) -> None:
    """Write a sound file, or several, of each kind as ``KIND.SUFFIX`` into a folder."""
    rng = np.random.default_rng(1)
    _sky(folder, rng)
    _tables(folder, rng)
    _alerts(folder)
    _sun(folder)
    for name, part in BUNDLES.items():
        plain, (task, _, bundle) = name.replace("/", "+"), name.partition("/")
        source = bundle_folder(task, bundle or None)
        shutil.copy(source / "bundle.json", folder / f"description-of-{plain}.json")
        data = Bundle.load(source).read_bytes(part)
        (folder / f"part-of-{plain}{Path(part).suffix}").write_bytes(data)
    (folder / "config.toml").write_text(WATCH)
    (folder / "srs.txt").write_text(SRS)
    (folder / "flares.txt").write_text(FLARES)
    shutil.copy(explored() / "run.json", folder / "run.json")


def _sky(folder: Path, rng: np.random.Generator) -> None:
    task = load_task("gamma-sky")
    made = folder / "made"
    made.mkdir()
    task.write_synth(task.synth(2, rng), made)
    for number, path in enumerate(sorted(made.glob("events*.fits"))):
        shutil.copy(path, folder / f"events.{number}.fits")
        (folder / f"events-gz.{number}.fits.gz").write_bytes(gzip.compress(path.read_bytes()))
    shutil.rmtree(made)
    events = task.synth(1, rng).items[0].events
    grid = TangentGrid(events.pointing.ra, events.pointing.dec, 20, 20, 0.25)
    edges = np.array([0.1, 1.0, 10.0])
    write_counts_map(CountsMap.from_events(events, grid, edges), folder / "counts-map.fits")


def _tables(folder: Path, rng: np.random.Generator) -> None:
    task = load_task("gamma-hadron")
    events = task.synth(12, rng)
    for suffix in TABLES:
        task.write_synth(events, folder / f"table-{suffix}.{suffix}")
    (folder / "table-csv.csv.provenance.json").unlink()
    columns = ("length", "width", "size", "concentration_cog", "delta")
    with h5py.File(folder / "table-fact.hdf5", "w") as file:
        group = file.create_group("events")
        for column in columns:
            group.create_dataset(column, data=rng.normal(10, 1, 12), chunks=(12,), compression=4)


def _stamps() -> Iterator[bytes]:
    rng = np.random.default_rng(7)
    y, x = np.indices((20, 20))
    star = 900.0 * np.exp(-((y - 10) ** 2 + (x - 10) ** 2) / 2.0)
    header = fits.Header(
        {
            "CTYPE1": "RA---TAN",
            "CTYPE2": "DEC--TAN",
            "CRPIX1": 10.0,
            "CRPIX2": 10.0,
            "CRVAL1": 30.0,
            "CRVAL2": -5.0,
            "CD1_1": -2.811e-4,
            "CD1_2": 0.0,
            "CD2_1": 0.0,
            "CD2_2": 2.811e-4,
            "SEEING": 1.7,
            "MAGZP": 25.6,
            "SATURATE": 50000.0,
            "GAIN": 6.2,
            "INFOBITS": 0,
            "STATUS": 1,
            "EXPID": 123,
            "FILTER": "ZTF_i",
        }
    )
    for scale, kind in ((1.0, np.float32), (3.0, np.float32), (2.0, np.int16)):
        pixels = (200.0 + scale * star + rng.normal(0, 5, star.shape)).astype(kind)
        out = io.BytesIO()
        fits.PrimaryHDU(pixels, header).writeto(out)
        yield out.getvalue()


def _alerts(folder: Path) -> None:
    stamps = list(_stamps())
    for number, stamp in enumerate(stamps):
        (folder / f"stamp.{number}.fits").write_bytes(stamp)
        (folder / f"stamp-gz.{number}.fits.gz").write_bytes(gzip.compress(stamp))
    with tarfile.open(folder / "stamp-tar.tar.gz", "w:gz") as archive:
        for number, stamp in enumerate(stamps):
            item = tarfile.TarInfo(f"star_{number}.fits")
            item.size = len(stamp)
            archive.addfile(item, io.BytesIO(stamp))
    schema, alerts = ztf_alerts()
    for codec in ("null", "deflate"):
        _container(folder / f"avro-{codec}.avro", schema, alerts, codec)
    _container(folder / "avro-streak.avro", schema, alerts[:1], "null")
    rubin = [_rubin(number, stamp) for number, stamp in enumerate(stamps)]
    _container(folder / "avro-rubin.avro", fastavro.parse_schema(_RUBIN), rubin, "deflate")
    task = load_task("streak")
    task.write_synth(task.synth(3, np.random.default_rng(2)), folder / "stamps-parquet.parquet")


def ztf_alerts() -> tuple[Any, list[dict[str, Any]]]:
    """Return a schema as of ZTF and small alerts of it."""
    alerts = [_ztf(number, stamp) for number, stamp in enumerate(_stamps())]
    return fastavro.parse_schema(_ZTF), alerts


def _container(path: Path, schema: Any, records: list[dict[str, Any]], codec: str) -> None:
    with path.open("wb") as file:
        fastavro.writer(file, schema, records, codec=codec)


def _ztf(number: int, stamp: bytes) -> dict[str, Any]:
    packed = {"fileName": "a.fits.gz", "stampData": gzip.compress(stamp)}
    candidate = {"jd": 2458860.02, "fid": 2, "ra": 185.7, "dec": 15.8, "magzpsci": 26.4, "rb": 0.9}
    return {
        "objectId": f"ZTF{number}", "candid": 10**15 + number, "candidate": candidate,
        "prv_candidates": [candidate, candidate], "cutoutScience": packed,
        "cutoutTemplate": packed, "cutoutDifference": None if number == 1 else packed,
    }  # fmt: skip


def _rubin(number: int, stamp: bytes) -> dict[str, Any]:
    source = {"diaSourceId": number, "ra": 185.7, "dec": 15.8, "band": "i", "snr": 12.0}
    cutouts = dict.fromkeys(("cutoutScience", "cutoutTemplate", "cutoutDifference"), stamp)
    return {"diaSourceId": number, "diaSource": source, **cutouts}


def _record(name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    listed = [{"name": key, "type": kind} for key, kind in fields.items()]
    return {"type": "record", "name": name, "fields": listed}


_CUTOUT = _record("cutout", {"fileName": "string", "stampData": "bytes"})
_ZTF = _record(
    "alert",
    {
        "objectId": "string",
        "candid": "long",
        "candidate": _record(
            "candidate",
            {"jd": "double", "fid": "int", "ra": "double", "dec": "double", "magzpsci": "float",
             "rb": ["null", "float"]},
        ),
        "prv_candidates": ["null", {"type": "array", "items": "candidate"}],
        "cutoutScience": ["null", _CUTOUT],
        "cutoutTemplate": ["null", "cutout"],
        "cutoutDifference": ["null", "cutout"],
    },
)  # fmt: skip
_RUBIN = _record(
    "alert",
    {
        "diaSourceId": "long",
        "diaSource": _record(
            "source",
            {"diaSourceId": "long", "ra": "double", "dec": "double", "band": ["null", "string"],
             "snr": ["null", "float"]},
        ),
        **{
            f"cutout{name}": ["null", "bytes"] for name in ("Science", "Template", "Difference")
        },
    },
)  # fmt: skip


def _sun(folder: Path) -> None:
    middle = (SIDE - 1) / 2
    y, x = np.mgrid[:SIDE, :SIDE] - middle
    on_disk = np.hypot(x, y) < 0.4 * SIDE
    field = np.where(on_disk, 5.0 + 500.0 * np.exp(-((x - 8) ** 2 + (y - 6) ** 2) / 8.0), 0.0)
    scale = 960.0 / (0.4 * SIDE)
    header = fits.Header(
        {
            "DATE-OBS": "2014-03-01T00:00:27.90",
            "TELESCOP": "SDO/HMI",
            "CONTENT": "MAGNETOGRAM",
            "INSTRUME": "HMI_FRONT2",
            "BUNIT": "Gauss",
            "CTYPE1": "HPLN-TAN",
            "CTYPE2": "HPLT-TAN",
            "CUNIT1": "arcsec",
            "CUNIT2": "arcsec",
            "CRPIX1": middle + 1,
            "CRPIX2": middle + 1,
            "CDELT1": scale,
            "CDELT2": scale,
            "CRVAL1": 0.0,
            "CRVAL2": 0.0,
            "CROTA2": 0.0,
            "DSUN_OBS": 148205511547.72,
            "RSUN_REF": 696e6,
            "CRLN_OBS": 132.56,
            "CRLT_OBS": -7.2,
        }
    )
    for name in SOLAR:
        pixels = field.astype(np.int16) if name in {"RICE_1", "PLIO_1"} else field.astype("f4")
        hdus: list[Any] = [fits.PrimaryHDU(pixels, header)]
        if name != "plain":
            hdus = [fits.PrimaryHDU(), fits.CompImageHDU(pixels, header, compression_type=name)]
        fits.HDUList(hdus).writeto(folder / f"solar-{name}.fits")
    both = field - 2 * np.roll(field, -12, axis=1) * on_disk  # a field has both signs
    packed = fits.CompImageHDU(both.astype(np.int16), header, compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), packed]).writeto(folder / "solar-flare.0.fits")
    fits.PrimaryHDU(both.astype("f4"), header).writeto(folder / "solar-flare.1.fits")
    light = np.where(on_disk, 120, 4) + np.where(on_disk, field / 5, 0)
    picture = Image.fromarray(np.clip(light, 0, 255).astype(np.uint8))
    for suffix in ("png", "jpg", "gif"):
        picture.save(folder / f"picture-{suffix}.{suffix}")
