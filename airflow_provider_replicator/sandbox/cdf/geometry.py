# SPDX-License-Identifier: Apache-2.0
"""``geoLocation`` filters: whether a document's geometry intersects, is disjoint from or lies within a given shape, on the plane."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from airflow_provider_replicator.sandbox.cdf.fields import Check, Invalid, expected, list_of, number, one_of, record
from airflow_provider_replicator.sandbox.cdf.filters import Condition
from airflow_provider_replicator.sandbox.cdf.indexes import Document
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.store import DocumentStore

Point = tuple[float, float]
Segment = tuple[Point, Point]

_MANY = 100_000
_point = list_of(number(-1e300, 1e300), 3, 2)
_line = list_of(_point, _MANY, 1)
_polygon = list_of(_line, _MANY, 1)

#: how many levels of lists its coordinates have
_COORDINATES: dict[str, Check] = {
    "Point": _point,
    "MultiPoint": list_of(_point, _MANY),
    "LineString": _line,
    "MultiLineString": list_of(_line, _MANY),
    "Polygon": _polygon,
    "MultiPolygon": list_of(_polygon, _MANY),
}
_shape = record({"type": one_of(*_COORDINATES), "coordinates": lambda value: value}, required=("type", "coordinates"))


def geometry(value: Any) -> Any:
    """A GeoJSON geometry."""
    checked = _shape(value)
    _COORDINATES[checked["type"]](checked["coordinates"])
    return checked


class Shape:
    """A geometry taken apart into points, segments and rings."""

    def __init__(self, value: Document) -> None:
        self.points: list[Point] = []
        self.segments: list[Segment] = []
        self.rings: list[list[Point]] = []
        for line in _lines(value["coordinates"]):
            self.points += line
            if "Line" in value["type"] or "Polygon" in value["type"]:
                self.segments += pairwise(line)
            if "Polygon" in value["type"]:
                self.rings.append(line)

    def holds(self, point: Point) -> bool:
        """Inside an odd number of rings (so holes are outside), or on an edge."""
        if any(_touches(segment, (point, point)) for segment in self.segments):
            return True
        return sum(_inside(ring, point) for ring in self.rings) % 2 == 1 if self.rings else point in self.points

    def intersects(self, other: Shape) -> bool:
        if any(_touches(a, b) for a in self.segments for b in other.segments):
            return True
        return any(map(self.holds, other.points)) or any(map(other.holds, self.points))

    def within(self, other: Shape) -> bool:
        return all(map(other.holds, self.points))


def _lines(coordinates: Any) -> Iterator[list[Point]]:
    """Lists of points, however deep; a single point is a line of one."""
    if coordinates and isinstance(coordinates[0], int | float):
        yield [(coordinates[0], coordinates[1])]
    elif coordinates and isinstance(coordinates[0][0], int | float):
        yield [(point[0], point[1]) for point in coordinates]
    else:
        for part in coordinates:
            yield from _lines(part)


def _side(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _touches(one: Segment, two: Segment) -> bool:
    (a, b), (c, d) = one, two
    if max(a[0], b[0]) < min(c[0], d[0]) or max(c[0], d[0]) < min(a[0], b[0]):
        return False
    if max(a[1], b[1]) < min(c[1], d[1]) or max(c[1], d[1]) < min(a[1], b[1]):
        return False
    return _side(a, b, c) * _side(a, b, d) <= 0 and _side(c, d, a) * _side(c, d, b) <= 0


def _inside(ring: list[Point], point: Point) -> bool:
    x, y = point
    crossings = 0
    for (x1, y1), (x2, y2) in zip(ring, ring[1:] + ring[:1], strict=True):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            crossings += 1
    return crossings % 2 == 1


_RELATIONS: dict[str, Callable[[Shape, Shape], bool]] = {
    "intersects": Shape.intersects,
    "disjoint": lambda one, other: not one.intersects(other),
    "within": Shape.within,
}


def geo_filter(value: Any, project: Project, store: DocumentStore) -> Condition:
    """``{"relation", "shape"}``; documents without a location never match."""
    if type(value) is not dict:
        raise expected("an object", value)
    relation = _RELATIONS.get(str(value.get("relation")).lower())
    if relation is None:
        raise Invalid(f"relation: expected one of {', '.join(_RELATIONS).upper()}")
    wanted = Shape(geometry(value.get("shape")))

    def matches(doc: Document) -> bool:
        return "geoLocation" in doc and relation(Shape(doc["geoLocation"]["geometry"]), wanted)

    return Condition(matches)
