"""What a label builder decides where catalogues say nothing: a closed choice for each question."""

from enum import StrEnum

from pydantic import Field

from skysift.core.config import Config
from skysift.data.solar.catalogs.rotation import RotationLaw

__all__ = ["Gaps", "LabelPolicy", "LabelStatus", "Overlapping", "Positions", "Unassociated"]


class Unassociated(StrEnum):
    """What a flare without a region number means for the regions on the disk.

    About a tenth of the C flares and one in thirty of the M flares of cycle 24 have none.
    """

    MARK = "mark"
    """A region that may have had it is labelled by its own flares, with status *uncertain*."""
    DROP = "drop"
    """Such rows are left out."""
    IGNORE = "ignore"
    """The flare is taken to be of no region; most published label sets do so."""
    NEAREST = "nearest"
    """A flare with a position goes to the nearest region, the others are marked."""


class Gaps(StrEnum):
    """What a window means that the list of flares does not cover."""

    MARK = "mark"
    """Labelled by what is listed, with status *gap* unless that settles it."""
    DROP = "drop"
    """Such rows are left out."""
    QUIET = "quiet"
    """What is not listed did not happen."""
    REFUSE = "refuse"
    """An error."""


class Overlapping(StrEnum):
    """What becomes of windows of one region that share time, and therefore flares."""

    KEEP = "keep"
    """All are kept: a split must keep the region on one side."""
    THIN = "thin"
    """A row whose window overlaps that of an earlier row of the region is left out."""


class Positions(StrEnum):
    """Which daily summary tells the regions at a time."""

    ISSUED = "issued"
    """The last one issued before: what a forecaster had."""
    NEAREST = "nearest"
    """The nearest in time, be it of the next midnight: the best position, with a look ahead."""


class LabelStatus(StrEnum):
    """How far a label can be trusted."""

    CERTAIN = "certain"
    UNCERTAIN = "uncertain"
    """A flare of no known region, strong enough to change the label, fell into the window."""
    GAP = "gap"
    """The list of flares does not cover the window, and what it has does not settle the label."""


class LabelPolicy(Config):
    """The decisions of a label builder.

    Parameters
    ----------
    unassociated, gaps, overlapping, positions
        As the classes say.
    classes : tuple of str
        GOES classes that become columns ``flare_C`` and so on, and that a status is about.
    oldest : float
        A summary older than this, or as far ahead, is not used [h].
    match_radius : float
        For ``unassociated = "nearest"``: how far from a region a flare may be [deg].
    rotation : RotationLaw
        How positions are moved to the time.
    """

    unassociated: Unassociated = Unassociated.MARK
    gaps: Gaps = Gaps.MARK
    overlapping: Overlapping = Overlapping.KEEP
    positions: Positions = Positions.ISSUED
    classes: tuple[str, ...] = ("C", "M")
    oldest: float = Field(default=36.0, gt=0.0)
    match_radius: float = Field(default=12.0, gt=0.0)
    rotation: RotationLaw = RotationLaw.HOWARD
