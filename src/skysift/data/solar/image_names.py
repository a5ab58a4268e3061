"""Which images files and folders stand for, and what these are called in tables."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from skysift.core.errors import InputError, UsageError

__all__ = ["images_in", "images_named", "names_apart", "require_names_apart"]


def images_in(paths: Iterable[Path], *, leave_out: Collection[str] = ()) -> list[Path]:
    """Return images, folders opened, in order.

    Parameters
    ----------
    paths : iterable of Path
        Images, and folders of them.
    leave_out : collection of str
        Endings, in lower case, of files of folders that are no images.

    Raises
    ------
    InputError
        If there are none in the folders that are all that is given.
    """
    given = list(paths)
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = sorted(one for one in path.iterdir() if one.is_file())
            found += [one for one in inside if one.suffix.lower() not in leave_out]
        else:
            found.append(path)
    if given and not found:
        raise InputError(
            "There is no image in the folder.",
            "Folders in it are not opened; name them, or the images.",
            path=given[0],
        )
    return found


def names_apart(paths: Iterable[Path]) -> dict[Path, str]:
    """Return the shortest end of each path that no other one has.

    Parameters
    ----------
    paths : iterable of Path
        Of images; one that is given twice counts once.

    Examples
    --------
    >>> names_apart([Path("d1/latest.jpg"), Path("d2/latest.jpg"), Path("d2/old.jpg")]).values()
    dict_values(['old.jpg', 'd1/latest.jpg', 'd2/latest.jpg'])
    """
    left = {path: path.absolute().parts for path in paths}
    found: dict[Path, str] = {}
    length = 1
    while left:
        ends = {path: str(Path(*parts[-length:])) for path, parts in left.items()}
        sharing = Counter({left[path]: ends[path] for path in left}.values())
        for path, end in ends.items():
            if sharing[end] == 1 or length >= len(left[path]):
                found[path] = end
                del left[path]
        length += 1
    return found


def require_names_apart(paths: Iterable[Path]) -> None:
    """Refuse images of the same name, which cannot be told apart once each is read by itself.

    Raises
    ------
    UsageError
        If there are any.
    """
    called = {path.absolute(): name for path, name in names_apart(paths).items()}
    clash = [name for path, name in called.items() if name != path.name]
    if clash:
        raise UsageError(
            f"Several images have the same name: {', '.join(clash[:2])}.",
            "Leave out --workers, --dask and --part, or rename them.",
        )


def images_named(names: Iterable[str], images: Sequence[Path]) -> dict[str, Path]:
    """Return the images that a table names, of those that are given.

    Folders in the table count only where several images, or several names in it, end alike.

    Raises
    ------
    InputError
        If a name fits several images.
    """
    by_name: dict[str, list[Path]] = {}
    for path in dict.fromkeys(images):
        by_name.setdefault(path.name, []).append(path)
    wanted = list(dict.fromkeys(names))
    alike = Counter(Path(name).name for name in wanted)
    found = {}
    for name in wanted:
        fitting = by_name.get(Path(name).name, [])
        if len(fitting) > 1 or alike[Path(name).name] > 1:
            fitting = [path for path in fitting if _ends_with(path, Path(name))]
        if len(fitting) > 1:
            raise InputError(
                f"The table names {name}, and {len(fitting)} images fit: {fitting[0]} and "
                f"{fitting[1]}.",
                "Write more of the path into its column file, e.g. "
                f"{names_apart(fitting)[fitting[0]]}.",
            )
        if fitting:
            found[name] = fitting[0]
    return found


def _ends_with(path: Path, end: Path) -> bool:
    return path.absolute().parts[-len(end.parts) :] == end.parts
