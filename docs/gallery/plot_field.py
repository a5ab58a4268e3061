"""A field of gamma rays, cleaned
==============================

A hundred seconds with a source of 1 Crab and one of 0.5 Crab: the raw counts, and what is left
when the fitted background is taken away. Ellipses hold the source in 95 % of cases; crosses are
the truth.
"""  # noqa: D205, D400 the title of a page

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter

from skysift.core.registry import bundle_folder, load_options, load_task
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.irf.spectra import crab_power_law
from skysift.data.sky.event_list import Pointing
from skysift.report.plots import style
from skysift.report.plots.sky import SkyEllipse, SkyImage, plot_sky_map
from skysift.tasks.gamma_sky.pipeline import search_events
from skysift.tasks.gamma_sky.simulation.field import Field, Source
from skysift.tasks.gamma_sky.simulation.photons import simulate_events

sources = tuple(
    Source(ra, dec, flux=flux, spectrum=crab_power_law())
    for ra, dec, flux in ((83.2, 22.5, 1.0), (84.3, 21.3, 0.5))
)
field = Field(Pointing(83.6, 22.0, 20.0), 100.0, sources)
reading = load_options("gamma-sky", "ReadOptions")()
events = simulate_events(
    field,
    AnalyticResponse(),
    np.random.default_rng(3),
    energy_range=(reading.emin, reading.emax),
    name="field",
)
model = load_task("gamma-sky").load(bundle_folder("gamma-sky", "default"))
predicting = load_options("gamma-sky", "PredictOptions")()
found = search_events(events, None, reading, predicting, model.trials)
cleaned = found.cleaned()
table = found.table.table

# %%
# For the eye alone the maps are smoothed; nothing that is measured is.
area = cleaned.counts.grid.pixel_size**2
ellipses = [
    SkyEllipse(ra, dec, 2.45 / 1.51 * major, 2.45 / 1.51 * minor, angle)
    for ra, dec, major, minor, angle in zip(
        *(table[name] for name in ("ra", "dec", "err_major", "err_minor", "err_angle")), strict=True
    )
]
with style():
    _, axes = plt.subplots(1, 2, figsize=(11, 4.8), layout="constrained")
    for ax, counts, marks in (
        (axes[0], cleaned.counts.counts, []),
        (axes[1], cleaned.cleaned, ellipses),
    ):
        smooth = gaussian_filter(counts.sum(axis=0).astype(float), 2.4) / area
        plot_sky_map(
            SkyImage(smooth, cleaned.counts.grid),
            label="counts per square degree",
            ellipses=marks,
            truth=[(source.ra, source.dec) for source in sources],
            ax=ax,
        )
