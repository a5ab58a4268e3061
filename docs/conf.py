"""How the site is built: ``make docs``, or ``sphinx-build -W --keep-going docs build/docs``."""

import sys
from pathlib import Path

import skysift

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "skysift"
author = "The skysift developers"
copyright = "the skysift developers, BSD-3-Clause"  # noqa: A001 Sphinx names it
version = release = skysift.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "measured",
    "repository_pages",
]
templates_path = ["_templates"]
exclude_patterns = ["examples", "_ext", "_templates", "gallery", "**/sg_execution_times.rst"]
highlight_language = "none"
nitpicky = False  # annotations name types of a dozen packages, and no inventory is at hand offline

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
myst_links_external_new_tab = False

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc states them, with shapes and units
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "reference/gallery",
    "filename_pattern": r"/plot_",
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": ("matplotlib",),
    "min_reported_time": 1_000_000,
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_memory": False,
    "abort_on_example_error": True,
}

html_theme = "pydata_sphinx_theme"
html_title = "skysift"
html_static_path = ["_static"]
html_css_files = ["skysift.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "skysift"},
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "navigation_depth": 3,
    # Tables of intervals take the room of the page's contents.
    "secondary_sidebar_items": {"**": ["page-toc"], "conformal": [], "stress": []},
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": [], "comparison": []}
