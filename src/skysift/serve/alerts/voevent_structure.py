"""What a VOEvent 2.0 packet consists of: which elements, where, how often, with what in them.

This tells in our own words what http://www.ivoa.net/xml/VOEvent/VOEvent-v2.0.xsd demands of the
elements that we write, so that a tree can be checked before it is sent. What the schema allows and
we do not write (tables, three-dimensional positions, ...) is refused here.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from xml.etree import ElementTree as ET  # of trees that we have made; parses nothing

from skysift.core.errors import OutputError

__all__ = ["NAMESPACE", "require_voevent"]

NAMESPACE = "http://www.ivoa.net/xml/VOEvent/v2.0"

_MANY = 1_000_000
_IVORN = re.compile(r"ivo://[A-Za-z0-9][A-Za-z0-9._-]{2,}/[A-Za-z0-9._/-]+#\S+")
_FRAMES = frozenset(
    f"{scale}-{frame}-{where}"
    for scale in ("TT", "UTC", "GPS")
    for frame in ("ICRS", "FK5")
    for where in ("TOPO", "GEO")
) | {"TDB-ICRS-BARY", "TDB-FK5-BARY", "UTC-GEOD-TOPO"}


def _is_text(_text: str) -> bool:
    return True


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return "T" in text


def _is_uri(text: str) -> bool:
    return bool(text) and not any(letter.isspace() for letter in text)


def _one_of(*names: str) -> Callable[[str], bool]:
    return lambda text: text in names


@dataclass(frozen=True, slots=True)
class _Attribute:
    fits: Callable[[str], bool] = _is_text
    needed: bool = False


@dataclass(frozen=True, slots=True)
class _Element:
    """What an element may have: children, with the least and the most of each, attributes, text.

    Whether it may be without any child is asked as well.
    """

    children: dict[str, tuple["_Element", int, int]] = field(default_factory=dict)
    attributes: dict[str, _Attribute] = field(default_factory=dict)
    text: Callable[[str], bool] | None = None
    empty: bool = True


_TEXT = _Element(text=_is_text)
_NUMBER = _Element(text=_is_number)
_FRAME = _Attribute(_one_of(*_FRAMES))

_PARAM = _Element(
    children={"Description": (_TEXT, 0, _MANY), "Value": (_TEXT, 0, 1)},
    attributes={name: _Attribute() for name in ("name", "ucd", "value", "unit", "utype")}
    | {"dataType": _Attribute(_one_of("string", "float", "int"))},
)
_GROUP = _Element(
    children={"Param": (_PARAM, 0, _MANY), "Description": (_TEXT, 0, 1)},
    attributes={"name": _Attribute(), "type": _Attribute()},
)
_WHAT = _Element(children={"Param": (_PARAM, 0, _MANY), "Group": (_GROUP, 0, _MANY)})
_AUTHOR = _Element(
    children={
        "title": (_TEXT, 0, _MANY),
        "shortName": (_TEXT, 0, _MANY),
        "contactName": (_TEXT, 0, _MANY),
        "contactEmail": (_TEXT, 0, _MANY),
    },
    empty=False,
)
_WHO = _Element(
    children={
        "AuthorIVORN": (_Element(text=_is_uri), 0, 1),
        "Date": (_Element(text=_is_time), 0, 1),
        "Description": (_TEXT, 0, 1),
        "Author": (_AUTHOR, 0, 1),
    }
)
_TIME = _Element(
    children={
        "TimeInstant": (_Element(children={"ISOTime": (_Element(text=_is_time), 1, 1)}), 1, 1),
        "Error": (_NUMBER, 0, 1),
    },
    attributes={"unit": _Attribute()},
)
_POSITION = _Element(
    children={
        "Name1": (_TEXT, 0, 1),
        "Name2": (_TEXT, 0, 1),
        "Value2": (_Element(children={"C1": (_NUMBER, 1, 1), "C2": (_NUMBER, 1, 1)}), 1, 1),
        "Error2Radius": (_NUMBER, 1, 1),
    },
    attributes={"unit": _Attribute()},
)
_COORDS = _Element(
    children={"Time": (_TIME, 0, 1), "Position2D": (_POSITION, 0, 1)},
    attributes={"coord_system_id": _FRAME},
)
_OBSERVATION = _Element(
    children={
        "AstroCoordSystem": (_Element(attributes={"id": _FRAME}), 1, 1),
        "AstroCoords": (_COORDS, 1, 1),
    }
)
_LOCATION = _Element(
    children={
        "ObservatoryLocation": (_Element(attributes={"id": _Attribute()}), 1, 1),
        "ObservationLocation": (_OBSERVATION, 1, 1),
    }
)
_CITED = _Element(
    attributes={"cite": _Attribute(_one_of("followup", "supersedes", "retraction"))},
    text=lambda text: _IVORN.fullmatch(text) is not None,
)
_WHY = _Element(
    children=dict.fromkeys(("Name", "Concept", "Description"), (_TEXT, 0, _MANY)), empty=False
)
_ROOT = _Element(
    children={
        "Who": (_WHO, 0, 1),
        "What": (
            _Element(children={"Param": (_PARAM, 0, _MANY), "Group": (_GROUP, 0, _MANY)}),
            0,
            1,
        ),
        "WhereWhen": (_Element(children={"ObsDataLocation": (_LOCATION, 1, 1)}), 0, 1),
        "How": (_Element(children={"Description": (_TEXT, 1, _MANY)}), 0, 1),
        "Why": (_WHY, 0, 1),
        "Citations": (_Element(children={"EventIVORN": (_CITED, 1, _MANY)}), 0, 1),
        "Description": (_TEXT, 0, 1),
    },
    attributes={
        "version": _Attribute(_one_of("2.0"), needed=True),
        "ivorn": _Attribute(lambda text: _IVORN.fullmatch(text) is not None, needed=True),
        "role": _Attribute(_one_of("observation", "prediction", "utility", "test")),
        "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation": _Attribute(),
    },
)


def require_voevent(root: ET.Element) -> None:
    """Check that a tree is a VOEvent.

    Raises
    ------
    OutputError
        If it is not; the message names the element.

    Examples
    --------
    >>> require_voevent(ET.Element("{http://www.ivoa.net/xml/VOEvent/v2.0}VOEvent"))
    Traceback (most recent call last):
    ...
    skysift.core.errors.OutputError: No VOEvent: VOEvent has no 'version'.
    """
    if root.tag != f"{{{NAMESPACE}}}VOEvent":
        raise OutputError(f"No VOEvent: the root is '{root.tag}'.")
    problem = _problem(root, _ROOT, "VOEvent")
    if problem:
        raise OutputError(f"No VOEvent: {problem}.")


def _problem(element: ET.Element, allowed: _Element, path: str) -> str:
    """Return what is wrong with an element or what is in it; nothing if nothing is."""
    return (
        _problem_of_attributes(element, allowed, path)
        or _problem_of_text(element, allowed, path)
        or _problem_of_children(element, allowed, path)
    )


def _problem_of_attributes(element: ET.Element, allowed: _Element, path: str) -> str:
    for name, value in element.attrib.items():
        attribute = allowed.attributes.get(name)
        if attribute is None:
            return f"{path} may not have '{name}'"
        if not attribute.fits(value):
            return f"the '{name}' of {path} may not be '{value}'"
    for name, attribute in allowed.attributes.items():
        if attribute.needed and name not in element.attrib:
            return f"{path} has no '{name}'"
    return ""


def _problem_of_text(element: ET.Element, allowed: _Element, path: str) -> str:
    text = (element.text or "").strip()
    if allowed.text is None:
        return f"{path} may have no text" if text else ""
    return "" if allowed.text(text) else f"{path} may not say '{text}'"


def _problem_of_children(element: ET.Element, allowed: _Element, path: str) -> str:
    counts = Counter(child.tag for child in element)
    if not counts and not allowed.empty:
        return f"there is nothing in {path}"
    for name, number in counts.items():
        if name not in allowed.children:
            return f"{path} may not have {name}"
        if number > allowed.children[name][2]:
            return f"{path} has {number} of {name}"
    for name, (_, least, _most) in allowed.children.items():
        if counts[name] < least:
            return f"{path} has no {name}"
    for child in element:
        problem = _problem(child, allowed.children[child.tag][0], f"{path}/{child.tag}")
        if problem:
            return problem
    return ""
