# SPDX-License-Identifier: Apache-2.0
"""Conversion of values between units of the same quantity, for the units that industrial series mostly have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.points import Points

#: quantity -> unit -> (factor, offset) to the quantity's SI unit: si = value * factor + offset
UNITS: dict[str, dict[str, tuple[float, float]]] = {
    "temperature": {"k": (1, 0), "deg_c": (1, 273.15), "deg_f": (5 / 9, 459.67 * 5 / 9), "deg_r": (5 / 9, 0)},
    "pressure": {"pa": (1, 0), "kilopa": (1e3, 0), "megapa": (1e6, 0), "bar": (1e5, 0), "psi": (6894.757293168, 0)},
    "length": {
        "m": (1, 0),
        "millim": (1e-3, 0),
        "centim": (1e-2, 0),
        "kilom": (1e3, 0),
        "ft": (0.3048, 0),
        "in": (0.0254, 0),
    },
    "mass": {"kilogm": (1, 0), "gm": (1e-3, 0), "lb": (0.45359237, 0)},
    "time": {"sec": (1, 0), "min": (60, 0), "hr": (3600, 0)},
}
SYSTEMS = {
    "SI": {"temperature": "k", "pressure": "pa", "length": "m", "mass": "kilogm", "time": "sec"},
    "Default": {"temperature": "deg_c", "pressure": "pa", "length": "m", "mass": "kilogm", "time": "sec"},
    "Imperial": {"temperature": "deg_f", "pressure": "psi", "length": "ft", "mass": "lb", "time": "sec"},
}


@dataclass(frozen=True, slots=True)
class Conversion:
    """target = value * factor + offset; ``name`` is the target's external id."""

    name: str
    factor: float
    offset: float

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values * self.factor + self.offset


def target_of(series: dict[str, Any], *, unit: str | None, system: str | None) -> Conversion | None:
    """The conversion that a reader asks for. Raises `ApiError` if it is not possible."""
    if unit is None and system is None:
        return None
    if unit is not None and system is not None:
        raise ApiError(400, "targetUnit and targetUnitSystem can not be given together")
    source = series.get("unitExternalId")
    quantity, _, name = (source or "").partition(":")
    known = UNITS.get(quantity, {})
    if name not in known:
        raise ApiError(400, f"Cannot convert from unit {source!r} of time series {series['id']}")
    wanted = unit if unit is not None else f"{quantity}:{_of_system(str(system), quantity)}"
    target_quantity, _, target = str(wanted).partition(":")
    if target_quantity != quantity or target not in known:
        raise ApiError(400, f"Cannot convert from unit {source!r} to {wanted!r}")
    (factor, offset), (to_factor, to_offset) = known[name], known[target]
    return Conversion(str(wanted), factor / to_factor, (offset - to_offset) / to_factor)


def _of_system(system: str, quantity: str) -> str:
    if system not in SYSTEMS:
        raise ApiError(400, f"Unknown unit system: {system!r}")
    return SYSTEMS[system][quantity]


def convert(points: Points, conversion: Conversion | None) -> Points:
    if conversion is None:
        return points
    return Points(points.times, conversion(points.values), points.codes, points.nulls)
