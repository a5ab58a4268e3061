"""The schedule of a learning rate: it rises, falls to nothing, and has no length that breaks it."""

import pytest

from skysift.models.one_cycle import one_cycle

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("steps", [1, 2, 9, 10, 11, 100])
def test_every_length_of_a_training_has_a_schedule(steps):
    weight = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([weight], lr=0.5)
    schedule = one_cycle(torch, optimiser, 0.5, steps)
    rates = []
    for _ in range(steps):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        if len(rates) < steps:
            schedule.step()
    highest = rates.index(max(rates))
    assert max(rates) > 0.95 * 0.5
    assert rates[:highest] == sorted(rates[:highest])
    assert rates[highest:] == sorted(rates[highest:], reverse=True)
    assert highest <= steps / 10
    assert steps == 1 or rates[-1] <= 0.5 * rates[highest]
