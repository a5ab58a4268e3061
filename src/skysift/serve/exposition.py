"""Numbers in the text format that Prometheus reads (version 0.0.4), written without a dependency.

The format is that of https://prometheus.io/docs/instrumenting/exposition_formats: a line with the
kind of a family of numbers, one with what it is, and one for each of its samples.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["CONTENT_TYPE", "Family", "Sample", "histogram", "render"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


@dataclass(frozen=True, slots=True)
class Sample:
    """One number.

    Parameters
    ----------
    value : float
        The number; NaN and infinities have their own words.
    labels : mapping of str to str
        What it is the number of.
    suffix : str
        Of the name of the family, as histograms have them.
    """

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """Numbers of one name.

    Parameters
    ----------
    name : str
        Of the family; the names of counters end with ``_total``.
    kind : {"counter", "gauge", "histogram"}
        A counter rises, or begins anew; a gauge may do what it likes.
    about : str
        One sentence.
    samples : sequence of Sample
        The numbers, each with other labels.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    about: str
    samples: Sequence[Sample]


def histogram(
    name: str,
    about: str,
    *,
    edges: Sequence[float],
    counts: Sequence[int],
    total: float,
    labels: Mapping[str, str],
) -> Family:
    """Return a histogram, whose buckets are cumulative in this format.

    Parameters
    ----------
    name, about
        As of :class:`Family`.
    edges : sequence of float, length k
        Upper limits of the buckets, each included.
    counts : sequence of int, length k + 1
        Numbers in each bucket; the last is of what lies beyond all edges.
    total : float
        Sum of all that was counted.
    labels : mapping
        Of every sample.

    Examples
    --------
    >>> family = histogram(
    ...     "wait_seconds", "Time waited.", edges=(1, 5), counts=(3, 1, 0), total=4.5, labels={}
    ... )
    >>> print(render([family]), end="")
    # HELP wait_seconds Time waited.
    # TYPE wait_seconds histogram
    wait_seconds_bucket{le="1"} 3
    wait_seconds_bucket{le="5"} 4
    wait_seconds_bucket{le="+Inf"} 4
    wait_seconds_sum 4.5
    wait_seconds_count 4
    """
    samples, running = [], 0
    for edge, count in zip((*edges, math.inf), counts, strict=True):
        running += count
        samples.append(Sample(running, {**labels, "le": _number(edge)}, "_bucket"))
    samples += [Sample(total, labels, "_sum"), Sample(running, labels, "_count")]
    return Family(name, "histogram", about, samples)


def render(families: Iterable[Family]) -> str:
    """Return the text; a family without samples is left out.

    Raises
    ------
    ValueError
        If a name is none that the format allows.
    """
    lines: list[str] = []
    for family in families:
        if not _NAME.fullmatch(family.name):
            raise ValueError(f"'{family.name}' is no name of a metric")
        if not family.samples:
            continue
        about = family.about.replace("\\", r"\\").replace("\n", r"\n")
        lines += [f"# HELP {family.name} {about}", f"# TYPE {family.name} {family.kind}"]
        for sample in family.samples:
            labels = ",".join(f'{key}="{_escaped(text)}"' for key, text in sample.labels.items())
            labels = f"{{{labels}}}" if labels else ""
            lines.append(f"{family.name}{sample.suffix}{labels} {_number(sample.value)}")
    return "\n".join([*lines, ""])


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    """Return a number as the format wants it, whole ones without a fraction."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    whole = int(value)
    return str(whole) if whole == value else repr(float(value))
