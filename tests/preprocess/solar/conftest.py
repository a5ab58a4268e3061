"""Images of the disk made for tests of geometry and photometry."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from skysift.data.solar.solar_image import Disk, ImageKind, Observer, SolarImage


@pytest.fixture(scope="session")
def disk_image() -> Callable[..., SolarImage]:
    """Return an image of the disk, of zeros unless data are given."""

    def make(data: Any = None, **changes: Any) -> SolarImage:
        values = np.zeros((200, 220), np.float32) if data is None else data
        given: dict[str, Any] = {
            "data": np.asarray(values, dtype=np.float32),
            "mask": np.zeros(np.shape(values), np.uint8),
            "frame": Disk(111.3, 98.7, 90.0, 0.1, 968.66),
            "time": np.datetime64("2014-03-01T00:00:50", "ms"),
            "observer": Observer(-7.2267, 132.56, 0.07, 148_205_511_547.7),
            "kind": ImageKind.INTENSITY,
        }
        return SolarImage(**(given | changes))

    return make
