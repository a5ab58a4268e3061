"""Typed, closed configuration: TOML in, validated objects out."""

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from skysift.core.errors import ConfigError, UnknownNameError
from skysift.core.suggest import did_you_mean

__all__ = [
    "Config",
    "build_config",
    "known_name",
    "load_config",
    "of_kind",
    "parse_assignments",
]


class Config(BaseModel):
    """Base of every configuration: frozen, and an unknown key is an error.

    Examples
    --------
    >>> class Smoothing(Config):
    ...     width: float = 0.1
    >>> build_config(Smoothing, {"widht": 0.2})
    Traceback (most recent call last):
    ...
    skysift.core.errors.ConfigError: Unknown key 'widht'. Did you mean 'width'? Known: width.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


ConfigT = TypeVar("ConfigT", bound=Config)


def load_config(
    kind: type[ConfigT],
    path: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> ConfigT:
    """Read a configuration from a TOML file, then apply overrides.

    Parameters
    ----------
    kind : type
        The configuration class.
    path : Path, optional
        A TOML file; without it the defaults hold.
    overrides : mapping, optional
        Dotted keys and their values, as given on the command line.

    Raises
    ------
    ConfigError
        If the file cannot be read or parsed, a key is unknown, or a value does not fit.
    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(
                f"Cannot read the configuration: {error.strerror}.",
                "Check the path.",
                path=path,
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"Not valid TOML: {error}.", "Mend the file at that line.", path=path
            ) from error
    for key, value in (overrides or {}).items():
        _assign(values, key, value)
    return build_config(kind, values, path=path)


def build_config(
    kind: type[ConfigT], values: Mapping[str, Any], *, path: Path | None = None
) -> ConfigT:
    """Validate a mapping; the first thing wrong with it becomes a ConfigError."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise _first_problem(kind, error, path) from error


def of_kind(kind: type[ConfigT], options: Config) -> ConfigT:
    """Return options as they are, or the defaults of a kind where others were given.

    A job of a task takes any options: those that it has no use for say nothing of it.

    Examples
    --------
    >>> class Smoothing(Config):
    ...     width: float = 0.1
    >>> of_kind(Smoothing, Smoothing(width=0.2)).width, of_kind(Smoothing, Config()).width
    (0.2, 0.1)
    """
    return options if isinstance(options, kind) else kind()


def known_name(kind: str, name: str, known: Collection[str]) -> str:
    """Return a name that a field of a configuration may have; for its validator.

    Parameters
    ----------
    kind : str
        What the names are of, e.g. ``model``.
    name : str
        What was given.
    known : collection of str
        What may be given.

    Raises
    ------
    ValueError
        If it is none of them; the message proposes the nearest one.
    """
    if name not in known:
        raise ValueError(str(UnknownNameError(kind, name, known)))
    return name


def parse_assignments(pairs: list[str]) -> dict[str, Any]:
    """Turn ``["seed=3", "model.trees=[100, 200]"]`` into dotted keys and TOML values.

    A value that is not valid TOML is taken as text.

    Examples
    --------
    >>> parse_assignments(["seed=3", "model.kind=random-forest"])
    {'seed': 3, 'model.kind': 'random-forest'}
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator or not key.strip():
            raise ConfigError(f"'{pair}' is not of the form key=value.", "Write e.g. seed=3.")
        values[key.strip()] = _toml_value(text)
    return values


def _toml_value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if len(parsed) == 1 else text  # a line break could bring more keys


def _assign(values: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise ConfigError(
                f"'{dotted}' reaches into '{parent}', which is a plain value.",
                f"Assign to '{parent}' itself.",
            )
    values[last] = value


def _first_problem(kind: type[BaseModel], error: ValidationError, path: Path | None) -> ConfigError:
    problems = error.errors(include_url=False)
    for problem in problems:  # a mistyped key explains the one that is missing
        if problem["type"] == "extra_forbidden":
            *parents, key = problem["loc"]
            known, written = _keys_at(kind, parents)
            if key not in known:  # of a union, another member may know it
                return ConfigError(
                    f"Unknown key '{'.'.join([*written, str(key)])}'.",
                    f"{did_you_mean(str(key), known)}Known: {', '.join(known)}.",
                    path=path,
                )
    problem = problems[0]
    dotted = ".".join(_keys_at(kind, problem["loc"])[1])
    where = f"'{dotted}': " if dotted else ""
    message = problem["msg"].removeprefix("Value error, ")  # pydantic's words before ours
    return ConfigError(
        f"{where}{message} (got {problem['input']!r}).",
        f"{_nearest_choice(problem)}Correct the value.",
        path=path,
    )


def _nearest_choice(problem: Mapping[str, Any]) -> str:
    """Return the nearest of the choices to a value that is none of them."""
    if problem["type"] != "literal_error":
        return ""
    return did_you_mean(str(problem["input"]), re.findall("'([^']+)'", problem["ctx"]["expected"]))


def _keys_at(kind: type[BaseModel], location: Sequence[str | int]) -> tuple[list[str], list[str]]:
    """Return the keys that may stand at a location, and the location as the user wrote it.

    Between the keys, pydantic names the members of unions; those names are left out.
    """
    types: list[Any] = [kind]
    written = []
    for part in location:
        inside = [member for each in types for member in _inside(each, part)]
        if inside:
            types = inside
            written.append(str(part))
    models = [each for each in types if _is_model(each)]
    return sorted({key for model in models for key in model.model_fields}), written


def _inside(kind: Any, part: str | int) -> list[Any]:
    """Return the types that a value may have at a key of a model or table, or place of a list."""
    if _is_model(kind):
        field = kind.model_fields.get(part)
        return [] if field is None else _members(field.annotation)
    origin, arguments = get_origin(kind), get_args(kind)
    if not isinstance(origin, type) or not arguments:
        return []
    if issubclass(origin, Mapping):
        return _members(arguments[1])
    if issubclass(origin, Collection) and isinstance(part, int):
        return [member for each in arguments for member in _members(each)]
    return []


def _members(annotation: Any) -> list[Any]:
    """Return the types that an annotation allows."""
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [member for each in get_args(annotation) for member in _members(each)]
    return [annotation]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
