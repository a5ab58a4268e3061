"""List the public API: what others may rely on, with its parameters.

    python tools/public_api.py            # writes tests/public_api.txt

Public is what the `__all__` of the modules names that docs/reference/api lists. A test compares the
list with the code, so that nobody changes it without noticing; whoever means to writes it anew and
says so in CHANGELOG.md.
"""

import inspect
import re
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIST = ROOT / "tests" / "public_api.txt"
_MODULE = re.compile(r"^ {3}(skysift\.[\w.]+)$", re.MULTILINE)


def public_modules() -> list[str]:
    """Return the names of the modules that the reference lists."""
    pages = (ROOT / "docs" / "reference" / "api").glob("*.md")
    return sorted({name for page in pages for name in _MODULE.findall(page.read_text())})


def public_api() -> list[str]:
    """Return one line for each public name, and for each public method of a class."""
    return [line for name in public_modules() for line in _of_module(name)]


def _of_module(name: str) -> Iterator[str]:
    module = import_module(name)
    for item in sorted(getattr(module, "__all__", ())):
        yield from _of_object(f"{name}.{item}", getattr(module, item))


def _of_object(name: str, item: object) -> Iterator[str]:
    if not inspect.isclass(item):
        yield name + (_parameters(item) if callable(item) else "")
        return
    of_a_kind = issubclass(item, Enum) or getattr(item, "_is_protocol", False)  # not to be called
    yield name + ("" if of_a_kind else _parameters(item))
    for method, value in sorted(vars(item).items()):
        if method.startswith("_") or method == "model_config":
            continue
        plain = value.__func__ if isinstance(value, staticmethod | classmethod) else value
        if inspect.isfunction(plain):
            yield f"{name}.{method}{_parameters(plain)}"
        elif isinstance(plain, property | item):  # a member of an enumeration is one of its kind
            yield f"{name}.{method}"


def _parameters(item: object) -> str:
    """Return the names of the parameters, as they are given, with what may be left out marked."""
    try:
        signature = inspect.signature(item)  # type: ignore[arg-type]
    except (TypeError, ValueError):  # of a class that is not made by calling it
        return ""
    known, shown, keywords = signature.parameters.values(), [], False
    for one in known:
        if one.name in {"self", "cls"}:
            continue
        if one.kind is one.KEYWORD_ONLY and not keywords:
            keywords = True
            if not any(other.kind is other.VAR_POSITIONAL for other in known):
                shown.append("*")
        mark = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
        shown.append(f"{mark}{one.name}{'' if one.default is one.empty else '=...'}")
    return f"({', '.join(shown)})"


if __name__ == "__main__":
    LIST.write_text("\n".join(public_api()) + "\n")
