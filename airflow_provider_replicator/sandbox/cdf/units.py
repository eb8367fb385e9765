# SPDX-License-Identifier: Apache-2.0
"""The catalogue of units: those that datapoints can be converted between here. Read-only, as the service's is."""

from __future__ import annotations

from typing import Any

from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response
from airflow_provider_replicator.sandbox.cdf.payload import body, flag_of, items, json_answer, missing
from airflow_provider_replicator.sandbox.cdf.points_units import SYSTEMS, UNITS
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.routing import Route


def routes() -> list[Route]:
    return [
        ("GET", "/units", list_units),
        ("GET", "/units/systems", list_systems),
        ("GET", "/units/{externalId}", one_unit),
        ("POST", "/units/byids", units_by_ids),
    ]


def _catalogue() -> dict[str, dict[str, Any]]:
    return {
        f"{quantity}:{name}": {
            "externalId": f"{quantity}:{name}",
            "name": name.upper(),
            "longName": name.replace("_", " "),
            "symbol": name,
            "aliasNames": [name],
            "quantity": quantity.capitalize(),
            "conversion": {"multiplier": factor, "offset": offset / factor},
        }
        for quantity, units in UNITS.items()
        for name, (factor, offset) in units.items()
    }


def list_units(project: Project, request: Request) -> Response:
    return json_answer({"items": list(_catalogue().values())})


def list_systems(project: Project, request: Request) -> Response:
    systems = [
        {
            "name": name,
            "quantities": [
                {"name": quantity.capitalize(), "unitExternalId": f"{quantity}:{unit}"}
                for quantity, unit in units.items()
            ],
        }
        for name, units in SYSTEMS.items()
    ]
    return json_answer({"items": systems})


def one_unit(project: Project, request: Request) -> Response:
    return _named([request.params["externalId"]], ignore_unknown=False)


def units_by_ids(project: Project, request: Request) -> Response:
    payload = body(request)
    names = [item.get("externalId") for item in items(payload, 1000)]
    if not all(isinstance(name, str) for name in names):
        raise ApiError(400, "items: expected objects with externalId")
    return _named([str(name) for name in names], ignore_unknown=flag_of(payload, "ignoreUnknownIds"))


def _named(names: list[str], *, ignore_unknown: bool) -> Response:
    catalogue = _catalogue()
    unknown = [name for name in names if name not in catalogue]
    if unknown and not ignore_unknown:
        raise missing([{"externalId": name} for name in unknown])
    return json_answer({"items": [catalogue[name] for name in names if name in catalogue]})
