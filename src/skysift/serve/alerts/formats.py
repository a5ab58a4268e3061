"""The formats of an alert: each revision is rendered once, and sent as the same bytes to all."""

from dataclasses import dataclass

from skysift.data.sky.ds9 import ellipse_region, point_region, region_file
from skysift.evaluate.ellipse import ellipse_scale
from skysift.serve.alerts.content import Content
from skysift.serve.alerts.notice import notice_json
from skysift.serve.alerts.options import AlertOptions
from skysift.serve.alerts.voevent import voevent_xml

__all__ = ["MEDIA_TYPES", "Documents", "render"]

MEDIA_TYPES = {"json": "application/json", "xml": "application/xml", "reg": "text/plain"}

_WIDENING = ellipse_scale(0.95) / ellipse_scale(0.68)


@dataclass(frozen=True, slots=True)
class Documents:
    """A revision in all formats: a GCN notice, a VOEvent, DS9 regions."""

    json: bytes
    xml: bytes
    reg: bytes


def render(content: Content, options: AlertOptions) -> Documents:
    """Return a revision in all formats, each checked.

    Raises
    ------
    SkysiftError
        If one of them would not be valid.
    """
    return Documents(
        notice_json(content, options), voevent_xml(content, options), _regions(content).encode()
    )


def _regions(content: Content) -> str:
    row = content.row
    if row.ra is None or row.dec is None:
        return region_file(())
    label = f"{content.id}-{content.revision} {content.kind} ({content.tense})"
    if row.major is None or row.minor is None:
        return region_file([point_region(row.ra, row.dec, label=label)])
    angle = row.angle or 0.0
    wide = (row.major * _WIDENING, row.minor * _WIDENING)
    return region_file(
        [
            ellipse_region(row.ra, row.dec, row.major, row.minor, angle, label=label),
            ellipse_region(row.ra, row.dec, *wide, angle, dashed=True),
        ]
    )
