"""An alert as a VOEvent 2.0 packet (Seaman et al. 2011, IVOA Recommendation 11 July 2011).

It is written with :mod:`xml.etree`, checked as a tree, and never parsed: nobody else's XML comes
near it.
"""

import math
import re
from xml.etree import ElementTree as ET  # writes; parses nothing

from skysift.serve.alerts.content import Content, ivorn
from skysift.serve.alerts.notice import CONTAINMENT
from skysift.serve.alerts.options import AlertOptions
from skysift.serve.alerts.voevent_structure import NAMESPACE, require_voevent
from skysift.serve.clock import iso_time

__all__ = ["voevent_xml"]

_SCHEMA = "http://www.w3.org/2001/XMLSchema-instance"
_PLACE = f"{NAMESPACE} {NAMESPACE.removesuffix('v2.0')}VOEvent-v2.0.xsd"
_FRAME = "UTC-ICRS-TOPO"
_NOT_IN_XML = re.compile("[^\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# name of the value: unit, UCD
_VALUES = {
    "significance": ("", "stat.snr"),
    "significance_post_trial": ("", "stat.snr"),
    "excess": ("ct", "phot.count"),
    "excess_error": ("ct", "stat.error;phot.count"),
    "background": ("ct", "phot.count"),
    "flux": ("Crab", "phot.flux"),
    "flux_low": ("Crab", "stat.min;phot.flux"),
    "flux_high": ("Crab", "stat.max;phot.flux"),
    "window": ("s", "time.duration"),
}


def voevent_xml(content: Content, options: AlertOptions) -> bytes:
    """Return a packet, checked against the structure of the schema.

    Raises
    ------
    OutputError
        If it does not have that structure.
    """
    root = _root(content, options)
    require_voevent(root)
    ET.indent(root)
    ET.register_namespace("voe", NAMESPACE)
    return bytes(ET.tostring(root, encoding="UTF-8", xml_declaration=True)) + b"\n"


def _root(content: Content, options: AlertOptions) -> ET.Element:
    root = ET.Element(
        f"{{{NAMESPACE}}}VOEvent",
        {
            "version": "2.0",
            "role": "observation" if content.tense == "live" else "test",
            "ivorn": ivorn(options, content.id, content.revision),
            f"{{{_SCHEMA}}}schemaLocation": _PLACE,
        },
    )
    _who(ET.SubElement(root, "Who"), content, options)
    _what(ET.SubElement(root, "What"), content, options)
    if content.row.ra is not None and content.row.dec is not None:
        _where_when(ET.SubElement(root, "WhereWhen"), content, options)
    how = ET.SubElement(root, "How")
    text = f"Bundle {content.row.bundle}" if content.row.bundle else "The model is not known"
    _text(how, "Description", f"skysift; {text}.")
    why = ET.SubElement(root, "Why")
    _text(why, "Description", content.sentence)
    if content.revision > 1:
        cites = ET.SubElement(root, "Citations")
        cited = _text(cites, "EventIVORN", ivorn(options, content.id, content.revision - 1))
        cited.set("cite", "retraction" if content.kind == "retraction" else "supersedes")
    return root


def _who(who: ET.Element, content: Content, options: AlertOptions) -> None:
    _text(who, "AuthorIVORN", f"ivo://{options.authority}/{options.name}")
    _text(who, "Date", iso_time(content.decided))
    author = ET.SubElement(who, "Author")
    _text(author, "title", options.mission or "skysift")
    if options.contact:
        _text(author, "contactName", options.contact)


def _what(what: ET.Element, content: Content, options: AlertOptions) -> None:
    row, values = content.row, content.row.values or {}
    _param(what, "alert_id", content.id, ucd="meta.id")
    _param(what, "alert_type", content.kind)
    _param(what, "alert_tense", content.tense)
    _param(what, "record_number", content.revision, ucd="meta.number")
    if options.instrument:
        _param(what, "instrument", options.instrument, ucd="instr")
    if row.source:
        _param(what, "source_id", row.source, ucd="meta.id;src")
    if row.far is not None:
        _param(what, "far", row.far, unit="Hz")
    if row.score is not None and options.rule is not None:
        _param(what, options.rule.column, row.score)
    for name, (unit, ucd) in _VALUES.items():
        if name in values:
            _param(what, name, values[name], unit=unit, ucd=ucd)
    if row.major is not None and row.minor is not None:
        group = ET.SubElement(what, "Group", {"name": "error_ellipse", "type": "localization"})
        _param(
            group, "semi_major", row.major, unit="deg", ucd="pos.errorEllipse;phys.size.smajAxis"
        )
        _param(
            group, "semi_minor", row.minor, unit="deg", ucd="pos.errorEllipse;phys.size.sminAxis"
        )
        _param(group, "position_angle", row.angle or 0.0, unit="deg", ucd="pos.posAng")
        _param(group, "containment", CONTAINMENT, ucd="stat.probability")


def _where_when(element: ET.Element, content: Content, options: AlertOptions) -> None:
    row = content.row
    location = ET.SubElement(element, "ObsDataLocation")
    ET.SubElement(location, "ObservatoryLocation", {"id": options.mission or "unknown"})
    observation = ET.SubElement(location, "ObservationLocation")
    ET.SubElement(observation, "AstroCoordSystem", {"id": _FRAME})
    coords = ET.SubElement(observation, "AstroCoords", {"coord_system_id": _FRAME})
    time = ET.SubElement(coords, "Time", {"unit": "s"})
    instant = ET.SubElement(time, "TimeInstant")
    _text(instant, "ISOTime", iso_time(content.trigger_time).removesuffix("Z"))
    position = ET.SubElement(coords, "Position2D", {"unit": "deg"})
    _text(position, "Name1", "RA")
    _text(position, "Name2", "Dec")
    value = ET.SubElement(position, "Value2")
    _text(value, "C1", f"{row.ra:.7f}")
    _text(value, "C2", f"{row.dec:.7f}")
    circle = (row.values or {}).get("err68", row.major)
    _text(position, "Error2Radius", f"{0.0 if circle is None else circle:.7g}")


def _param(
    parent: ET.Element, name: str, value: float | str, *, unit: str = "", ucd: str = ""
) -> None:
    attributes = {"name": name, "value": _plain(value)}
    if isinstance(value, int | float):
        attributes["dataType"] = "int" if isinstance(value, int) else "float"
    attributes |= {key: text for key, text in (("unit", unit), ("ucd", ucd)) if text}
    ET.SubElement(parent, "Param", attributes)


def _text(parent: ET.Element, name: str, text: str) -> ET.Element:
    child = ET.SubElement(parent, name)
    child.text = _plain(text)
    return child


def _plain(value: float | str) -> str:
    """Return text without letters that XML 1.0 does not have, numbers with all digits."""
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else "NaN"
    return _NOT_IN_XML.sub(" ", str(value))
