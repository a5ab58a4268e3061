"""The learning rate of a training that rises for a tenth of its steps, and falls to nothing."""

from typing import Any

__all__ = ["one_cycle"]

_RISE = 0.1


def one_cycle(torch: Any, optimiser: Any, highest: float, steps: int) -> Any:
    """Return the schedule of a learning rate (Smith & Topin 2019, arXiv:1708.07120), by cosines.

    Parameters
    ----------
    torch : module
    optimiser : torch.optim.Optimizer
        Whose rate it sets; it begins with the highest.
    highest : float
        Rate at the end of the rise.
    steps : int
        Of the training; with ten or fewer there is no rise.
    """
    schedules = torch.optim.lr_scheduler
    if _RISE * steps <= 1:  # torch would divide by the steps of the rise less one
        return schedules.CosineAnnealingLR(optimiser, steps)
    return schedules.OneCycleLR(
        optimiser, highest, total_steps=steps, pct_start=_RISE, anneal_strategy="cos"
    )
