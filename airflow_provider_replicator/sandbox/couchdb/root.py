# SPDX-License-Identifier: Apache-2.0
"""What the server answers about itself."""

from __future__ import annotations

import uuid
from typing import Any

from airflow_provider_replicator.sandbox.couchdb import databases
from airflow_provider_replicator.sandbox.couchdb.errors import bad_request, not_found
from airflow_provider_replicator.sandbox.couchdb.query import Query
from airflow_provider_replicator.sandbox.couchdb.routes import NODE, Call, Routes, answer
from airflow_provider_replicator.sandbox.http import Response

_MOST_UUIDS = 1000
_MOST_INFOS = 100


def register(routes: Routes) -> None:
    routes.server.update(
        {
            "": _welcome,
            "_active_tasks": lambda call: answer([]),
            "_all_dbs": _all_dbs,
            "_dbs_info": _dbs_info,
            "_membership": lambda call: answer({"all_nodes": [NODE], "cluster_nodes": [NODE]}),
            "_node": _node,
            "_up": _up,
            "_uuids": _uuids,
        }
    )


def _welcome(call: Call) -> Response:
    call.allow("GET")
    options = call.instance.options
    features = ["quickjs", "access-ready", "partitioned", "pluggable-storage-engines", "reshard", "scheduler"]
    return answer(
        {
            "couchdb": "Welcome",
            "version": options.version,
            "git_sha": "11f002456",
            "uuid": call.instance.uuid,
            "features": [one for one in features if not (options.legacy and one == "scheduler")],
            "vendor": {"name": "airflow-provider-replicator sandbox"},
        }
    )


def _up(call: Call) -> Response:
    call.allow("GET")
    mode = call.instance.config.get("couchdb", "maintenance_mode")
    if mode in ("true", "nolb"):
        return answer({"status": "maintenance_mode" if mode == "true" else mode}, 404)
    return answer({"status": "ok", "seeds": {}})


def _uuids(call: Call) -> Response:
    call.allow("GET")
    asked = call.request.query.get("count", ["1"])[-1]
    if not asked.isascii() or not asked.isdigit():
        raise bad_request("count must be a positive integer")
    count = int(asked)
    if count > _MOST_UUIDS:
        raise bad_request("count parameter too large")
    made = {"uuids": [uuid.uuid4().hex for _ in range(count)]}
    return answer(made, 200, ("Cache-Control", "must-revalidate, no-cache"), ("Pragma", "no-cache"))


def _names(call: Call) -> list[str]:
    query = Query(call.request.query)
    start, end = query.json("startkey", "start_key"), query.json("endkey", "end_key")
    descending = query.flag("descending")
    if descending:
        start, end = end, start
    named = sorted(call.instance.databases, reverse=descending)
    named = [one for one in named if (start is None or one >= start) and (end is None or one <= end)]
    skip = query.number("skip", 0)
    return named[skip : skip + query.number("limit", len(named))]


def _all_dbs(call: Call) -> Response:
    call.allow("GET")
    return answer(_names(call))


def _dbs_info(call: Call) -> Response:
    call.allow("GET", "POST")
    if call.method == "GET":
        return answer([_info(call, name) for name in _names(call)])
    keys = call.typed_object().get("keys")
    if not isinstance(keys, list):
        raise bad_request("`keys` member must exist.")
    if len(keys) > _MOST_INFOS:
        raise bad_request("too_many_keys")
    return answer([_info(call, name) for name in keys])


def _info(call: Call, name: str) -> dict[str, Any]:
    database = call.instance.databases.get(name)
    if database is None:
        return {"key": name, "error": "not_found"}
    return {"key": name, "info": databases.describe(database)}


def _node(call: Call) -> Response:
    """``/_node/{node}/_config[/{section}[/{key}]]``."""
    if len(call.segments) < 2 or call.segments[1] not in ("_local", NODE):
        raise not_found("no such node: " + "/".join(call.segments[1:2]))
    if len(call.segments) == 2:
        return answer({"name": NODE})
    if call.segments[2] != "_config" or len(call.segments) > 5:
        raise not_found()
    if len(call.segments) == 5:
        return _setting(call, *call.segments[3:])
    call.allow("GET")
    sections = call.instance.config.sections
    return answer(sections if len(call.segments) == 3 else sections.get(call.segments[3], {}))


def _setting(call: Call, section: str, key: str) -> Response:
    call.allow("GET", "PUT", "DELETE")
    config = call.instance.config
    if call.method == "PUT":
        value = call.json()
        if not isinstance(value, str):
            raise bad_request("a JSON string expected")
        return answer(config.set(section, key, value.strip()))
    if key not in config.sections.get(section, {}):
        raise not_found("unknown_config_value")
    return answer(config.delete(section, key) if call.method == "DELETE" else config.get(section, key))
