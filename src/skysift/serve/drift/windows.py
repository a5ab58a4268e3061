"""The latest rows and the latest hours, in blocks that come and go."""

from dataclasses import dataclass, field

from skysift.serve.drift.profile import Profile

__all__ = ["Block", "Window"]


@dataclass
class Block:
    """Neighbouring batches, counted together.

    Parameters
    ----------
    number : int
        Rising within its window.
    begun : float
        Unix time [s].
    profile : Profile
        Their rows.
    """

    number: int
    begun: float
    profile: Profile = field(default_factory=Profile)


@dataclass
class Window:
    """The last blocks, of which the last is still growing.

    Parameters
    ----------
    name : str
        E.g. ``rows``.
    rows : float
        A block is complete with so many rows; infinite if that does not matter.
    seconds : float
        Or after so long [s].
    most : int
        Complete blocks that are kept.
    blocks : list of Block
        In order.
    saved : int
        Number of the block that was the last when they were last stored.

    Examples
    --------
    >>> window = Window("rows", rows=2, seconds=float("inf"), most=2)
    >>> for moment in range(7):
    ...     complete = window.add(Profile.of_values({"x": [moment]}, {"x": (3,)}), moment)
    >>> complete, [block.profile.counts["x"].tolist() for block in window.complete]
    (False, [[2, 0, 0], [0, 2, 0]])
    """

    name: str
    rows: float
    seconds: float
    most: int
    blocks: list[Block] = field(default_factory=list)
    saved: int = 0

    @property
    def complete(self) -> list[Block]:
        """The blocks that do not grow any more."""
        return self.blocks[:-1]

    def add(self, profile: Profile, now: float) -> bool:
        """Add a batch to the last block; tell whether that completed one."""
        if not self.blocks:
            self.blocks.append(Block(1, now))
        last = self.blocks[-1]
        last.profile.add(profile)
        full = last.profile.rows >= self.rows or now - last.begun >= self.seconds
        if not full:
            return False
        if last.profile.rows == 0:
            last.begun = now  # a pause is no block
            self._forget(now)
            return False
        self.blocks.append(Block(last.number + 1, now))
        self._forget(now)
        return True

    def _forget(self, now: float) -> None:
        """Drop the blocks that are too many or, where time counts, too old."""
        oldest = now - self.seconds * (self.most + 1)
        kept = [block for block in self.complete[-self.most :] if block.begun >= oldest]
        self.blocks = [*kept, self.blocks[-1]]
