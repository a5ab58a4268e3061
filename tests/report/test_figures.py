"""Matplotlib's SVG becomes part of the page without disturbing it."""

import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib.figure import Figure

from skysift.report import plots
from skysift.report.figures import figure_to_svg, theme_css
from skysift.report.plots.style import PALETTE, SIGNAL


@pytest.fixture
def axes():
    ax = plots.new_axes()
    ax.plot([0, 1], [0, 1], color=SIGNAL, marker="o")
    ax.fill_between([0, 1], [0, 0], [1, 1], color="#123456", alpha=0.2)
    ax.set_xlabel("LENGTH [mm] & more")
    return ax


def parse(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own output


def test_svg_is_well_formed_and_holds_no_foreign_parts(axes):
    svg = figure_to_svg(axes.figure, "f1", "a line")
    root = parse(svg)
    assert root.tag == "svg"
    assert root.attrib["aria-label"] == "a line"
    assert {"metadata", "style"}.isdisjoint(element.tag for element in root.iter())
    assert "http" not in svg
    assert "<!--" not in svg


def test_house_colours_become_variables_and_others_stay(axes):
    svg = figure_to_svg(axes.figure, "f1", "a")
    assert "var(--plot-signal)" in svg
    assert "var(--plot-ink)" in svg
    assert "var(--plot-grid)" in svg
    assert "#123456" in svg
    assert not any(shade.light in svg for shade in PALETTE.values())


def test_figures_in_the_default_style_follow_the_mode_too():
    figure = Figure()
    figure.add_subplot().plot([1, 2])
    svg = figure_to_svg(figure, "f1", "a")
    assert "#000000" not in svg
    assert "#ffffff" not in svg


def test_text_is_text(axes):
    texts = [e.text for e in parse(figure_to_svg(axes.figure, "f", "a")).iter("text")]
    assert "LENGTH [mm] & more" in texts


def test_ids_carry_the_prefix_and_only_where_something_refers_to_them(axes):
    one = figure_to_svg(axes.figure, "one", "a")
    two = figure_to_svg(axes.figure, "two", "a")
    ids = re.findall(r'\bid="([^"]+)"', one)
    assert ids
    assert all(name.startswith("one-") for name in ids)
    assert set(ids) == set(re.findall(r'(?:url\(|href=")#([^")]+)', one))
    assert one.replace("one-", "two-") == two


def test_many_points_become_a_picture_and_the_figure_is_left_alone(rng):
    ax = plots.new_axes()
    few = ax.scatter(*rng.normal(size=(2, 20)))
    many = ax.scatter(*rng.normal(size=(2, 5000)))
    svg = figure_to_svg(ax.figure, "f", "a")
    root = parse(svg)
    images = [e.attrib["href"] for e in root.iter("image")]
    assert len(images) == 1
    assert images[0].startswith("data:image/png;base64,")
    assert len(list(root.iter("use"))) < 100
    assert not many.get_rasterized()
    assert not few.get_rasterized()
    assert len(svg) < 300_000


def test_a_long_roc_curve_stays_small(rng):
    acceptance = np.linspace(0, 1, 50_000)
    efficiency = np.sort(rng.random(50_000))
    ax = plots.plot_roc({"a": PlainRoc(acceptance, efficiency)})
    assert len(figure_to_svg(ax.figure, "f", "a")) < 200_000


class PlainRoc:
    def __init__(self, acceptance, efficiency):
        self.acceptance = acceptance
        self.efficiency = efficiency


def test_text_has_one_size_whatever_the_size_of_the_figure():
    scales = set()
    for width in (4.0, 8.0):
        svg = figure_to_svg(plots.new_axes(width, 3.0).figure, "f", "a")
        points = float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])
        pixels = float(re.search(r"--natural:([\d.]+)px", svg)[1])
        scales.add(round(pixels / points, 2))
    assert len(scales) == 1


def test_theme_css_names_each_colour_for_its_mode():
    assert "--plot-signal:#0072b2;" in theme_css(dark=False)
    assert f"--plot-signal:{PALETTE['signal'].dark};" in theme_css(dark=True)
