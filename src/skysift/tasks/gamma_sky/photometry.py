"""On/off measurements of the candidates of a field, each beside the others."""

from collections.abc import Sequence

from skysift.core.errors import InputError
from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.event_list import EventList
from skysift.data.sky.tangent import TangentGrid
from skysift.evaluate.aperture import (
    Circle,
    Exclusion,
    RadialAcceptance,
    reflected_on_off,
    reflected_regions,
    ring_background,
)
from skysift.models.sky.candidate import Candidate
from skysift.tasks.gamma_sky.candidates import Photometry

__all__ = ["measure"]


def measure(
    data: EventList | CountsMap,
    candidates: Sequence[Candidate],
    grid: TangentGrid,
    *,
    radius: float = 0.1,
    ring: tuple[float, float] = (0.4, 0.7),
    exclusion: Exclusion | None = None,
) -> list[Photometry]:
    """Count on and off each candidate.

    Parameters
    ----------
    data : EventList or CountsMap
        Photons of the energies that were searched, or their counts.
    candidates : sequence of Candidate
        Where to measure.
    grid : TangentGrid
        The plane of the candidates.
    radius : float [deg]
        Of the on regions.
    ring : tuple of float [deg]
        Inner and outer radius of the ring. The inner one is also the distance that background keeps
        from every candidate.
    exclusion : Exclusion, optional
        What else is no background.

    Returns
    -------
    list of Photometry
        In the order of the candidates. The significance is that of an ordinary aperture, to be
        compared with other work; it is lower than that of the search, which knows the point spread
        function.
    """
    places = [tuple(map(float, grid.from_plane(one.xi, one.eta))) for one in candidates]
    known = (exclusion or Exclusion()).with_circles(
        *(Circle(ra, dec, ring[0]) for ra, dec in places)
    )
    acceptance = _acceptance(data, known) if places else None
    measured = []
    for ra, dec in places:
        on = Circle(ra, dec, radius)
        regions = reflected_regions(on, data.pointing, known)
        measured.append(
            Photometry(
                reflected_on_off(data, on, regions),
                ring_background(data, on, *ring, acceptance=acceptance, exclusion=known),
            )
        )
    return measured


def _acceptance(data: EventList | CountsMap, exclusion: Exclusion) -> RadialAcceptance | None:
    """Return the acceptance of the field, or None where there are no photons to measure it on."""
    try:
        if isinstance(data, EventList):
            return RadialAcceptance.of_events(data, exclusion)
        return RadialAcceptance.of_counts(data, exclusion)
    except InputError:
        return None
