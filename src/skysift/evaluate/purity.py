"""What a score means where signal is rarer than in the rows that trained or tested it."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from skysift.core.errors import UsageError
from skysift.evaluate.inputs import FloatArray, as_probability, require_fraction
from skysift.evaluate.intervals import Interval, ratio_limits

__all__ = ["estimate_prior", "expected_purity", "prior_shift", "prior_shift_with_error"]


def prior_shift(probability: ArrayLike, *, prior: float, new_prior: float) -> FloatArray:
    """Return the probability of signal where signal makes up another part of all events.

    Parameters
    ----------
    probability : array_like, shape (n,)
        Calibrated probability of signal where signal has the frequency `prior`.
    prior, new_prior : float
        Part of all events that is signal, there and here; 0 < prior < 1.

    Returns
    -------
    array, shape (n,)
        The same order of events: only the odds are multiplied, by one factor for all.

    Notes
    -----
    Bayes' rule: Saerens, Latinne & Decaestecker (2002), Neural Computation 14, 21; Elkan (2001),
    IJCAI, section 3. Both take the distributions of signal and of background to stay what they
    were.

    Examples
    --------
    >>> prior_shift([0.5, 0.99], prior=0.5, new_prior=0.001).round(4).tolist()
    [0.001, 0.0902]
    """
    given = np.atleast_1d(np.asarray(probability, dtype=np.float64))
    p = as_probability(given, len(given))
    shift = logit(require_fraction("new_prior", new_prior)) - logit(
        require_fraction("prior", prior)
    )
    return np.asarray(expit(logit(p) + shift))


def prior_shift_with_error(
    probability: FloatArray, error: FloatArray, *, prior: float, new_prior: float
) -> tuple[FloatArray, FloatArray]:
    """Return :func:`prior_shift` and the error that its derivative carries over.

    Parameters
    ----------
    probability, error : arrays, shape (n,)
        At the frequency `prior`.
    prior, new_prior : float
        Part of all events that is signal, there and here.

    Examples
    --------
    >>> p, error = prior_shift_with_error(
    ...     np.array([0.5]), np.array([0.02]), prior=0.5, new_prior=0.2
    ... )
    >>> p.round(4).tolist(), error.round(4).tolist()
    ([0.2], [0.0128])
    """
    odds = new_prior * (1 - prior) / (prior * (1 - new_prior))
    shifted = prior_shift(probability, prior=prior, new_prior=new_prior)
    return shifted, error * odds / (1 + (odds - 1) * probability) ** 2


def estimate_prior(
    probability: ArrayLike, *, prior: float, tolerance: float = 1e-8, max_iterations: int = 10_000
) -> float:
    """Return the part of unlabelled events that is signal, by maximum likelihood.

    Parameters
    ----------
    probability : array_like, shape (n,)
        Calibrated probability of signal of the unlabelled events, stated for the frequency `prior`.
    prior : float
        Part of signal in the events on which the probability was calibrated.
    tolerance : float
        Stop when a step changes the estimate by less.
    max_iterations : int
        Largest number of steps.

    Notes
    -----
    The expectation-maximisation of Saerens et al. (2002): the mean of the shifted
    probabilities is the next prior. It is as good as the calibration: a score that is wrong by a
    little for background is wrong by a lot for a prior of 0.001.

    Raises
    ------
    UsageError
        If it does not settle.
    """
    p = np.asarray(probability, dtype=np.float64)
    estimate = require_fraction("prior", prior)
    smallest = np.finfo(np.float64).tiny
    for _ in range(max_iterations):
        mean = float(np.mean(prior_shift(p, prior=prior, new_prior=estimate)))
        found = min(max(mean, smallest), 1 - np.finfo(np.float64).eps)
        if abs(found - estimate) < tolerance:
            return found
        estimate = found
    raise UsageError(
        f"The prior has not settled after {max_iterations} steps.",
        "Loosen the tolerance, or look at the calibration.",
    )


def expected_purity(
    efficiency: Interval, acceptance: Interval, signal_to_background: float
) -> Interval:
    """Return the part of the selected events that is signal, at a stated ratio of the two.

    Parameters
    ----------
    efficiency, acceptance : Interval
        Of the same operating point, from independent rows of signal and of background.
    signal_to_background : float
        Signal events for each background event before the selection, e.g. 1 / 1000 hadrons.

    Returns
    -------
    Interval
        ``r e / (r e + a)``. Purity rises with e / a alone, whose limits follow from those of e and
        a by the MOVER-R of Donner & Zou (2012), Stat. Methods Med. Res. 21, 347; they stay defined
        where no background event was seen to pass.

    Raises
    ------
    UsageError
        If the ratio is not positive or the confidence levels differ.

    Examples
    --------
    >>> from skysift.evaluate.intervals import wilson_interval
    >>> e, a = wilson_interval(600, 1000), wilson_interval(10, 1000)
    >>> print(expected_purity(e, a, signal_to_background=1 / 1000))
    0.0566 [0.0316, 0.0995]
    """
    if not signal_to_background > 0:
        raise UsageError(
            f"signal_to_background = {signal_to_background} is not positive.",
            "Give the number of signal events for each background event.",
        )
    if efficiency.confidence != acceptance.confidence:
        raise UsageError("The two intervals differ in confidence.", "Make them alike.")
    low, high = ratio_limits(efficiency, acceptance)
    ratio = np.array([efficiency.value, low, high])
    over = np.array([acceptance.value, 1.0, 1.0])
    passing = signal_to_background * ratio
    with np.errstate(invalid="ignore"):
        value, bottom, top = np.where(np.isinf(passing), 1.0, passing / (passing + over))
    return Interval(
        float(value), float(bottom), float(top), efficiency.confidence, "MOVER-R of Wilson limits"
    )
