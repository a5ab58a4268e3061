"""What a user may name as input: files, folders, quoted globs, lists of files, HATS catalogues."""

from collections.abc import Sequence
from glob import glob, has_magic
from pathlib import Path

from skysift.core.errors import ReadError
from skysift.core.files import refuse_url
from skysift.scale.hats import is_hats, partition_files

__all__ = ["expand"]

_LIST = "@"
_LONGEST = 64 * 2**20  # bytes of a list: half a million names


def expand(names: Sequence[str | Path]) -> list[Path]:
    r"""Return the files and folders that the arguments name, in their order.

    Parameters
    ----------
    names : sequence of str or Path
        A file or a folder; a glob such as ``night/**/*.fits``, which the shell was kept from
        expanding; ``@LIST``, a text file with one name on each line, relative to its own folder;
        or the folder of a HATS catalogue, whose partitions are taken.

    Raises
    ------
    ReadError
        If a glob matches nothing, or a list is missing, no text, or names itself.
    UsageError
        If a name is the address of an object store.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("b.fits", "a.fits"):
    ...         _ = (Path(folder) / name).write_text("")
    ...     _ = (Path(folder) / "night.txt").write_text("# the second first\nb.fits\na.fits\n")
    ...     globbed = [path.name for path in expand([f"{folder}/*.fits"])]
    ...     listed = [path.name for path in expand([f"@{folder}/night.txt"])]
    >>> globbed, listed
    (['a.fits', 'b.fits'], ['b.fits', 'a.fits'])
    """
    found: list[Path] = []
    for name in names:
        text = str(name)
        refuse_url(text)
        if Path(text).exists():
            found += partition_files(Path(text)) if is_hats(Path(text)) else [Path(text)]
        elif text.startswith(_LIST):
            found += _listed(Path(text[len(_LIST) :]))
        elif has_magic(text):
            found += _globbed(text)
        else:
            found.append(Path(text))  # whoever reads it says what is wrong
    return found


def _globbed(pattern: str) -> list[Path]:
    matches = sorted(glob(pattern, recursive=True))  # noqa: PTH207  # Path.glob takes no absolute one
    if not matches:
        raise ReadError("Nothing matches.", "Check the pattern.", path=pattern)
    return [Path(match) for match in matches]


def _listed(path: Path) -> list[Path]:
    """Return the files that a list names; blank lines and those that begin with # say nothing."""
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST + 1)
        lines = text.decode().splitlines()
    except OSError as error:
        raise ReadError(
            f"The list cannot be read: {error.strerror}.", "Check the path after @.", path=path
        ) from error
    except UnicodeDecodeError as error:
        raise ReadError(
            "The list is not UTF-8 text.", "Give one name on each line.", path=path
        ) from error
    if len(text) > _LONGEST:
        raise ReadError(
            f"The list is longer than {_LONGEST // 2**20} MiB.", "Cut it into several.", path=path
        )
    names = [line.strip() for line in lines]
    named = [name for name in names if name and not name.startswith("#")]
    for name in named:
        refuse_url(name)
    if not named:
        raise ReadError("The list names no file.", "Give one name on each line.", path=path)
    paths = [path.parent / name for name in named]
    inner = [name for name in paths if name.name.startswith(_LIST) and not name.exists()]
    if inner:
        raise ReadError(
            f"A list in a list: {inner[0].name}.", "Name it on the command line.", path=path
        )
    return expand(paths)
