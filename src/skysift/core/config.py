"""Typed, closed configuration: TOML in, validated objects out."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from skysift.core.errors import ConfigError
from skysift.core.suggest import did_you_mean

__all__ = ["Config", "build_config", "load_config", "parse_assignments"]


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
                "Check the path given to --config.",
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
    problem = error.errors(include_url=False)[0]
    location = [str(part) for part in problem["loc"]]
    dotted = ".".join(location)
    if problem["type"] == "extra_forbidden":
        known = _keys_at(kind, location[:-1])
        return ConfigError(
            f"Unknown key '{dotted}'.",
            f"{did_you_mean(location[-1], known)}Known: {', '.join(known)}.",
            path=path,
        )
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


def _keys_at(kind: type[BaseModel], parents: list[str]) -> list[str]:
    """Return the known keys of the nested model that the parents lead to."""
    for parent in parents:
        field = kind.model_fields.get(parent)
        if field is None:
            continue
        for candidate in (field.annotation, *get_args(field.annotation)):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                kind = candidate
                break
    return sorted(kind.model_fields)
