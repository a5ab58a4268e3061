"""The model bundle: a folder with a description, a model that holds no code, and a card.

``bundle.json`` describes the model and lists every other file with its size and SHA-256. A bundle
that is damaged, incomplete, or holds anything else is refused. The hashes detect damage; they do
not prove who made the bundle. To tie a result to one bundle, keep its `hash`.
"""

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from skysift.core.bundle_schema import (
    SCHEMA_VERSION,
    BundleManifest,
    BundleSpec,
    Lineage,
    StoredFile,
    check_file_name,
)
from skysift.core.errors import BundleError
from skysift.core.files import staged_folder
from skysift.core.strict_json import strict_json

__all__ = ["Bundle", "copy_bundle", "render_card", "write_bundle"]

MAX_MANIFEST_BYTES = 4 * 2**20
MAX_FILES = 64
MAX_TOTAL_BYTES = 4 * 2**30

_MANIFEST = "bundle.json"
_CARD = "card.md"
_FETCH_AGAIN = "Copy or fetch the bundle again."


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified model bundle.

    Parameters
    ----------
    folder : Path
        Where its files are.
    manifest : BundleManifest
        What ``bundle.json`` says.

    Notes
    -----
    Files are verified when the bundle is loaded and again whenever they are read, so that the
    bytes that reach a runtime are the bytes that were hashed.
    """

    folder: Path
    manifest: BundleManifest

    @classmethod
    def load(cls, path: str | Path, *, task: str | None = None) -> Self:
        """Read a bundle and verify all of its files.

        Parameters
        ----------
        path : path-like
            The folder of the bundle.
        task : str, optional
            The task that the bundle has to be of.

        Raises
        ------
        BundleError
            If the bundle is damaged, incomplete, of another schema or task, or holds what it
            should not; the message names the file.
        """
        folder = Path(path)
        manifest = _parse(_read_manifest(folder), folder / _MANIFEST)
        if task is not None and manifest.task != task:
            raise BundleError(
                f"This bundle is for the task '{manifest.task}', not for '{task}'.",
                f"Name a bundle of {task}, or run the command of {manifest.task}.",
                path=folder,
            )
        _check_listing(folder, manifest)
        bundle = cls(folder, manifest)
        for name in manifest.files:
            bundle.read_bytes(name)
        return bundle

    @property
    def name(self) -> str:
        """Name of the bundle."""
        return self.manifest.name

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical form of ``bundle.json``, which holds the hash of every file."""
        return hashlib.sha256(_canonical(self.manifest)).hexdigest()

    @property
    def card(self) -> str:
        """Text of the card, in Markdown."""
        return self.read_bytes(_CARD).decode()

    def path(self, name: str) -> Path:
        """Return the path of a listed file, e.g. for messages; read with :meth:`read_bytes`.

        Raises
        ------
        BundleError
            If the bundle lists no such file.
        """
        self._listed(name)
        return self.folder / name

    def read_bytes(self, name: str) -> bytes:
        """Return the content of a listed file after checking its size and SHA-256.

        Raises
        ------
        BundleError
            If the bundle lists no such file, or it is not as listed.
        """
        listed = self._listed(name)
        path = self.folder / name
        data = _read_regular(path, limit=listed.bytes)
        if len(data) != listed.bytes:
            raise BundleError(
                f"The file has {len(data)} bytes, not {listed.bytes}.", _FETCH_AGAIN, path=path
            )
        if hashlib.sha256(data).hexdigest() != listed.sha256:
            raise BundleError("The SHA-256 of the file is wrong.", _FETCH_AGAIN, path=path)
        return data

    def _listed(self, name: str) -> StoredFile:
        try:
            return self.manifest.files[name]
        except KeyError:
            raise BundleError(
                f"The bundle has no file '{name}'.",
                f"It has: {', '.join(sorted(self.manifest.files))}.",
                path=self.folder,
            ) from None


def write_bundle(
    folder: str | Path,
    spec: BundleSpec,
    members: Mapping[str, bytes | Path],
    card: str,
    *,
    overwrite: bool = False,
) -> Bundle:
    """Write a bundle; the folder appears whole or not at all.

    Parameters
    ----------
    folder : path-like
        The folder to make.
    spec : BundleSpec
        What the bundle is.
    members : mapping of str to bytes or Path
        Name and content of the model's files.
    card : str
        Text for people, in Markdown; see :func:`render_card`.
    overwrite : bool
        Replace a bundle that is there; any other folder is left alone.

    Raises
    ------
    BundleError
        If a member has a name or kind that no bundle may hold, or the model's file is missing.
    OutputError
        If the folder exists, or cannot be written.
    """
    target = Path(folder)
    _check_member_names(members, target)
    with staged_folder(target, overwrite=overwrite, marker=_MANIFEST) as temporary:
        files = {}
        for name, content in sorted({**members, _CARD: card.encode()}.items()):
            data = _member_bytes(content)
            (temporary / name).write_bytes(data)
            files[name] = StoredFile(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
        manifest = _manifest(spec, files, target)
        text = json.dumps(_described(manifest), indent=2, ensure_ascii=False)
        (temporary / _MANIFEST).write_text(text + "\n", encoding="utf-8")
        Bundle.load(temporary, task=spec.task)  # what is refused later is refused now
    return Bundle(target, manifest)


def copy_bundle(
    bundle: Bundle, folder: str | Path, members: Mapping[str, bytes], *, section: str = ""
) -> Bundle:
    """Write a bundle again with further or other files; the model stays as it is.

    Parameters
    ----------
    bundle : Bundle
        The one to copy.
    folder : path-like
        The folder to make; the bundle is named after it.
    members : mapping of str to bytes
        Files that are added, or take the place of those of the same name.
    section : str
        Markdown that the card ends in, from a heading ``## ...`` on; it takes the place of a
        section with the same heading.

    Raises
    ------
    BundleError
        If the bundle is damaged, or a file has a name or kind that no bundle may hold.
    OutputError
        If the folder exists, or cannot be written.
    """
    own = {"files", "schema_version"}
    described = bundle.manifest.model_dump(exclude=own)
    spec = BundleSpec.model_validate({**described, "name": Path(folder).resolve().name.lower()})
    kept = {name: bundle.read_bytes(name) for name in bundle.manifest.files if name != _CARD}
    return write_bundle(folder, spec, {**kept, **members}, _with_section(bundle.card, section))


def _with_section(card: str, section: str) -> str:
    if not section:
        return card
    heading = section.partition("\n")[0]
    before, found, after = card.partition(f"{heading}\n")
    rest = after.partition("\n## ")[2] if found else ""
    kept = before.rstrip() + (f"\n\n## {rest.rstrip()}" if rest else "")
    return f"{kept}\n\n{section.strip()}\n"


def render_card(spec: BundleSpec, body: str = "") -> str:
    """Return the card of a bundle: what is known of it, then the author's own text.

    Parameters
    ----------
    spec : BundleSpec
        What the bundle is.
    body : str
        Intended use, limits, and whatever else a user should know, in Markdown.
    """
    training = spec.training
    parts = [
        f"# {spec.name}",
        spec.summary,
        (
            f"Task `{spec.task}`; {spec.model.family}, stored as {spec.model.format}; "
            f"made {spec.created:%Y-%m-%d}."
        ),
        body.strip(),
        (
            f"## Training data\n\n{training.data}: {training.n_rows:,} rows, {training.split}, "
            f"seed {training.seed}. SHA-256 `{training.sha256}`.\n\n"
            f"Made by `{training.command}`."
        ),
    ]
    if spec.lineage is not None:
        parts.append(_lineage_section(spec.lineage))
    if spec.metrics:
        parts.append(_metrics_section(spec))
    if spec.operating_points:
        parts.append(_operating_points_section(spec))
    parts.append(
        "## Licence of the training data\n\n"
        f"{spec.data_licence.licence}. {spec.data_licence.citation}"
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def _lineage_section(lineage: Lineage) -> str:
    replayed = f" {lineage.replayed:,} old rows were replayed." if lineage.replayed else ""
    rows = [
        f"- {metric.name} = {metric.format()} ({metric.n:,} rows, {metric.split})"
        for metric in lineage.judged
    ]
    intro = (
        f"## Lineage\n\nGeneration {lineage.generation}: goes on from `{lineage.parent}` "
        f"(`{lineage.parent_hash}`) by {lineage.method}.{replayed}"
    )
    return "\n".join([intro, *(["", "Child minus parent:", "", *rows] if rows else [])])


def _metrics_section(spec: BundleSpec) -> str:
    rows = [
        f"| {metric.name} | {metric.format()} | {metric.n:,} | {metric.split} |"
        for metric in spec.metrics
    ]
    header = "| metric | value [interval] | rows | measured on |\n|---|---|---|---|"
    return "\n".join(["## Measured", "", header, *rows])


def _operating_points_section(spec: BundleSpec) -> str:
    rows = [
        f"| {point.name} | {point.threshold:.4g} | {point.acceptance:.4g} "
        f"| {point.efficiency:.4g} | {point.chosen_on} |"
        for point in spec.operating_points
    ]
    header = (
        "| operating point | threshold | background acceptance | signal efficiency | chosen on |\n"
        "|---|---|---|---|---|"
    )
    return "\n".join(["## Operating points", "", header, *rows])


def _canonical(manifest: BundleManifest) -> bytes:
    return json.dumps(
        _described(manifest), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()


def _described(manifest: BundleManifest) -> dict[str, Any]:
    """Return all that ``bundle.json`` says; one without a parent says nothing of it."""
    unsaid = {"lineage"} if manifest.lineage is None else None
    return manifest.model_dump(mode="json", exclude=unsaid)


def _manifest(spec: BundleSpec, files: dict[str, StoredFile], target: Path) -> BundleManifest:
    values = {**spec.model_dump(mode="json"), "files": files}
    try:
        return BundleManifest.model_validate(values)
    except ValidationError as error:
        raise _schema_error(error, target) from error


def _check_member_names(members: Mapping[str, bytes | Path], target: Path) -> None:
    if _CARD in members:
        raise BundleError(
            f"'{_CARD}' is not a member.", "Give its text as the argument card.", path=target
        )
    try:
        for name in members:
            check_file_name(name)
    except ValueError as error:
        raise BundleError(
            f"Not a member of a bundle: {error}.",
            "Name it e.g. model.onnx, model.skops or weights.safetensors.",
            path=target,
        ) from error


def _member_bytes(content: bytes | Path) -> bytes:
    if isinstance(content, bytes):
        return content
    return _read_regular(content, limit=MAX_TOTAL_BYTES)


def _read_manifest(folder: Path) -> bytes:
    if not folder.is_dir():
        raise BundleError(
            "There is no such folder.", "Name the folder that holds bundle.json.", path=folder
        )
    path = folder / _MANIFEST
    data = _read_regular(path, limit=MAX_MANIFEST_BYTES)
    if len(data) > MAX_MANIFEST_BYTES:
        raise BundleError(
            f"The description is larger than {MAX_MANIFEST_BYTES} bytes.", _FETCH_AGAIN, path=path
        )
    return data


def _parse(data: bytes, path: Path) -> BundleManifest:
    try:
        raw = strict_json(data)
    except (ValueError, RecursionError) as error:  # JSONDecodeError, UnicodeDecodeError, ours
        raise BundleError(f"Not valid JSON: {error}.", _FETCH_AGAIN, path=path) from error
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if type(version) is not int or version != SCHEMA_VERSION:
        raise BundleError(
            f"The bundle has schema version {version!r}; this skysift reads {SCHEMA_VERSION}.",
            "Upgrade skysift if the version is higher; otherwise train the bundle again.",
            path=path,
        )
    try:
        return BundleManifest.model_validate(raw)
    except ValidationError as error:
        raise _schema_error(error, path) from error


def _schema_error(error: ValidationError, path: Path) -> BundleError:
    problem = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    return BundleError(
        f"The description breaks the schema{f' at {where}' if where else ''}: {problem['msg']}.",
        "Train the bundle again, or fetch it from where it was published.",
        path=path,
    )


def _check_listing(folder: Path, manifest: BundleManifest) -> None:
    """Compare names and sizes with the folder, before any long work."""
    if len(manifest.files) > MAX_FILES:
        raise BundleError(f"The bundle lists more than {MAX_FILES} files.", path=folder)
    total = sum(file.bytes for file in manifest.files.values())
    if total > MAX_TOTAL_BYTES:
        raise BundleError(
            f"The bundle claims {total} bytes; the limit is {MAX_TOTAL_BYTES}.", path=folder
        )
    with os.scandir(folder) as entries:
        found = {entry.name: entry.stat(follow_symlinks=False).st_size for entry in entries}
    for name in sorted(found.keys() - manifest.files.keys() - {_MANIFEST}):
        raise BundleError(
            f"The bundle does not list the file '{name}'.",
            "Remove it from the folder, or fetch the bundle again.",
            path=folder,
        )
    for name, listed in manifest.files.items():
        if name not in found:
            raise BundleError(f"The file '{name}' is missing.", _FETCH_AGAIN, path=folder)
        if found[name] != listed.bytes:
            raise BundleError(
                f"The file has {found[name]} bytes, not {listed.bytes}.",
                _FETCH_AGAIN,
                path=folder / name,
            )


def _read_regular(path: Path, *, limit: int) -> bytes:
    """Read at most one byte more than the limit from a regular file that is no link."""
    try:
        if path.is_symlink():
            raise BundleError("A bundle holds no links.", "Copy the file itself.", path=path)
        # O_NOFOLLOW and fstat, because what the name stands for may change under our feet;
        # O_NONBLOCK, because opening a named pipe would wait for its writer.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise BundleError("This is not a regular file.", _FETCH_AGAIN, path=path)
            return file.read(limit + 1)
    except OSError as error:
        raise BundleError(
            f"The file cannot be read: {error.strerror}.", _FETCH_AGAIN, path=path
        ) from error
