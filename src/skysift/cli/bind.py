"""Give a verb the options of the task that it is called for.

A task declares its options as closed configuration classes. Here each field of such a class
becomes an option of the command, so that ``skysift predict TASK --help`` lists them and a typo is
answered with the nearest name.
"""

import inspect
import types
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any, Union, get_args, get_origin

import typer

from skysift.core.config import Config

__all__ = ["bind_options"]


def bind_options(verb: Callable[..., None], *kinds: type[Config]) -> Callable[..., None]:
    """Return the verb with an option for each field of the configuration classes.

    The verb gets what the user gave, and only that, as the mapping ``task_options``.
    """
    own = inspect.signature(verb, eval_str=True).parameters
    taken = {name for name in own if name != "task_options"}
    fields = {
        name: field
        for kind in kinds
        for name, field in kind.model_fields.items()
        if name not in taken and _is_plain(field.annotation)
    }

    @wraps(verb)
    def bound(**values: Any) -> None:
        given = {name: values.pop(name) for name in fields}
        verb(**values, task_options={k: v for k, v in given.items() if v not in (None, [])})

    parameters = [parameter for name, parameter in own.items() if name != "task_options"]
    for name, field in fields.items():
        option = typer.Option(
            _declaration(name, field.annotation),
            help=_help(field.description, field.get_default()),
            rich_help_panel="Options of the task",
            show_default=False,
        )
        parameters.append(
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[_option_type(field.annotation), option],
            )
        )
    parameters.sort(key=lambda parameter: parameter.kind)
    bound.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    bound.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return bound


def _declaration(name: str, annotation: Any) -> str:
    flag = f"--{name.replace('_', '-')}"
    return f"{flag}/--no-{flag[2:]}" if bool in _members(annotation) else flag


def _option_type(annotation: Any) -> Any:
    members = _members(annotation)
    if bool in members:
        return bool | None
    if any(get_origin(member) in (tuple, list) for member in members):
        return list[str] | None
    return str | None


def _is_plain(annotation: Any) -> bool:
    """Tell whether the value fits on a command line; nested sections live in the TOML file."""
    for member in _members(annotation):
        if get_origin(member) in (dict, Mapping) or member is dict:
            return False
        if isinstance(member, type) and issubclass(member, Config):
            return False
    return True


def _members(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def _help(description: str | None, default: Any) -> str:
    text = description or ""
    if default is None or default in ((), "") or "PydanticUndefined" in repr(default):
        return text
    shown = ", ".join(map(str, default)) if isinstance(default, tuple) else default
    return f"{text} [default: {shown}]".strip()
