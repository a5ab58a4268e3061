"""Options that are a number with a unit. This module imports nothing heavy."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

__all__ = ["Energy", "Seconds"]

_ENERGIES = {"": 1.0, "tev": 1.0, "gev": 1e-3, "mev": 1e-6, "pev": 1e3}
_TIMES = {"": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0}
_OTHERS = {"meV": "milli-electronvolts: write MeV", "peV": "pico-electronvolts: write PeV"}
_QUANTITY = re.compile(r"\s*([-+0-9.eE]*[0-9.])\s*([A-Za-z]*)\s*")


def _quantity(units: dict[str, float], example: str) -> BeforeValidator:
    """Accept a number, or a number with a unit."""

    def convert(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        match = _QUANTITY.fullmatch(value)
        unit = match.group(2) if match else ""
        if unit in _OTHERS:  # capitals are of no matter but where they make another unit
            raise ValueError(f"'{value}' is in {_OTHERS[unit]}")
        factor = units.get(unit.lower())
        if match is None or factor is None:
            raise ValueError(f"'{value}' is not a quantity like {example}")
        return float(match.group(1)) * factor

    return BeforeValidator(convert)


Energy = Annotated[float, _quantity(_ENERGIES, "0.4TeV or 400GeV")]
"""In TeV."""
Seconds = Annotated[float, _quantity(_TIMES, "100s or 5min")]
"""In seconds."""
