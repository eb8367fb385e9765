# SPDX-License-Identifier: Apache-2.0
"""``/timeseries/subscriptions``: create, list, retrieve, update, delete and list members."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_replicator.sandbox.cdf.advanced import AdvancedFilter
from airflow_provider_replicator.sandbox.cdf.fields import (
    Check,
    Field,
    integer,
    internal_id,
    list_of,
    record,
    text,
)
from airflow_provider_replicator.sandbox.cdf.filters import Predicate
from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response
from airflow_provider_replicator.sandbox.cdf.patches import patched
from airflow_provider_replicator.sandbox.cdf.payload import body, checked, flag_of, items, json_answer, limit_of
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.references import check_references
from airflow_provider_replicator.sandbox.cdf.resources import TIME_SERIES
from airflow_provider_replicator.sandbox.cdf.routing import Route
from airflow_provider_replicator.sandbox.cdf.subscriptions_data import list_data
from airflow_provider_replicator.sandbox.cdf.subscriptions_log import Document
from airflow_provider_replicator.sandbox.cdf.subscriptions_registry import (
    MemberKey,
    Subscription,
    identifier_of,
    subscriptions_of,
)

_PATH = "/timeseries/subscriptions"
_PAGE = 100
_FIELDS: Mapping[str, Field] = {
    "name": Field(text(255)),
    "description": Field(text(1000)),
    "dataSetId": Field(internal_id),
}
_MEMBERS: Mapping[str, Check] = {
    "timeSeriesIds": text(255),
    "instanceIds": record({"space": text(43, 1), "externalId": text(255, 1)}, required=("space", "externalId")),
}
_external_id = text(255)


def routes() -> list[Route]:
    return [
        ("POST", _PATH, create),
        ("GET", _PATH, list_all),
        ("GET", f"{_PATH}/members", list_members),
        ("POST", f"{_PATH}/byids", by_ids),
        ("POST", f"{_PATH}/update", update),
        ("POST", f"{_PATH}/delete", delete),
        ("POST", f"{_PATH}/data/list", list_data),
    ]


# -- create ----------------------------------------------------------------------------------------------------------------


def create(project: Project, request: Request) -> Response:
    item = items(body(request), 1)[0]
    known = subscriptions_of(project)
    doc: Document = {"externalId": checked("items[0].externalId", _external_id, item.get("externalId"))}
    partitions = checked("items[0].partitionCount", integer(1, 100), item.get("partitionCount"))
    for name, field in _FIELDS.items():
        if name in item:
            doc[name] = checked(f"items[0].{name}", field.check, item[name])
    given = [name for name in _MEMBERS if item.get(name) is not None]
    keys = [key for name in given for key in _keys(name, item[name], f"items[0].{name}")]
    wanted = None
    if item.get("filter") is not None:
        doc["filter"] = item["filter"]
        wanted = _compiled(project, item["filter"])
    if bool(keys) == bool(wanted):
        raise ApiError(400, "items[0]: expected either timeSeriesIds and/or instanceIds, or filter")
    check_references(project, {"dataSetId": "datasets"}, [doc])
    if doc["externalId"] in known.by_external_id:
        raise ApiError(409, "Subscription id duplicated", duplicated=[{"externalId": doc["externalId"]}])
    doc["createdTime"] = doc["lastUpdatedTime"] = project.next_timestamp()
    subscription = Subscription(project.next_id(), doc, partitions, wanted)
    known.add(subscription, keys)
    return _described([subscription], status=201)


def _keys(name: str, value: Any, path: str) -> list[MemberKey]:
    """The members that ``timeSeriesIds`` or ``instanceIds`` name: 1 to 100."""
    found = checked(path, list_of(_MEMBERS[name], 100, 1), value)
    return [(one,) if isinstance(one, str) else (one["space"], one["externalId"]) for one in found]


def _compiled(project: Project, value: Any) -> Predicate:
    """An advanced filter of time series, without ``search``."""
    predicate = AdvancedFilter(TIME_SERIES, project).compile(value)
    if "search" in _operators(value):
        raise ApiError(400, "filter: the search filter is not supported in subscriptions")
    return predicate


def _operators(value: Document) -> Iterable[str]:
    ((operator, operand),) = value.items()
    yield operator
    if operator in ("and", "or"):
        for element in operand:
            yield from _operators(element)
    elif operator == "not":
        yield from _operators(operand)


# -- read ------------------------------------------------------------------------------------------------------------------


def list_all(project: Project, request: Request) -> Response:
    limit, after = _page_of(project, request, "list")
    later = [one for one in subscriptions_of(project).by_external_id.values() if one.doc["createdTime"] > after]
    return _described(later[:limit], cursor=_cursor(project, "list", later, limit, lambda one: one.doc["createdTime"]))


def list_members(project: Project, request: Request) -> Response:
    subscription = _named(project, request.query.get("externalId", [None])[0])
    limit, after = _page_of(project, request, subscription.number)
    members = [found for found in _members(project, subscription) if found[0] > after]
    cursor = _cursor(project, subscription.number, members, limit, lambda found: found[0])
    return _answer([member for _, member in members[:limit]], cursor=cursor)


def _members(project: Project, subscription: Subscription) -> list[tuple[int, Document]]:
    """Under the names they were given; a member whose series is deleted has no ``id``."""
    series = project.timeseries
    if subscription.members is None:
        names = ("id", "externalId", "instanceId")
        found = [(number, series.by_id[identity].doc) for identity, number in subscription.series.items()]
        return [(number, {name: doc[name] for name in names if name in doc}) for number, doc in found]
    members = []
    for key, number in subscription.members.items():
        member = identifier_of(key)
        entry = series.find(member)
        members.append((number, member if entry is None else {"id": entry.doc["id"], **member}))
    return members


def _page_of(project: Project, request: Request, scope: Any) -> tuple[int, int]:
    """The limit, and the number after which the page begins."""
    limit = request.query.get("limit", [None])[0]
    if limit is not None and not (limit.isascii() and limit.isdigit() and len(limit) < 10):
        raise ApiError(400, "limit: expected an integer")
    cursor = request.query.get("cursor", [None])[0]
    after = 0 if cursor is None else project.cursors.read(["subscriptions", scope], cursor)
    most = limit_of(None if limit is None else int(limit), _PAGE, _PAGE)
    return min(most, project.settings.short_pages or most), after


def _cursor(project: Project, scope: Any, found: list[Any], limit: int, number: Any) -> str | None:
    return project.cursors.make(["subscriptions", scope], number(found[limit - 1])) if len(found) > limit else None


def _described(subscriptions: list[Subscription], *, cursor: str | None = None, status: int = 200) -> Response:
    return _answer([one.describe() for one in subscriptions], cursor=cursor, status=status)


def _answer(found: list[Document], *, cursor: str | None = None, status: int = 200) -> Response:
    return json_answer({"items": found, **({"nextCursor": cursor} if cursor else {})}, status=status)


def _named(project: Project, external_id: Any) -> Subscription:
    name = checked("externalId", _external_id, external_id)
    found = subscriptions_of(project).by_external_id.get(name)
    if found is None:
        raise _missing([name])
    return found


def _missing(names: list[str]) -> ApiError:
    return ApiError(
        400, f"Subscriptions not found: {', '.join(names)}", missing=[{"externalId": name} for name in names]
    )


def by_ids(project: Project, request: Request) -> Response:
    return _described(_wanted(project, body(request)))


def _wanted(project: Project, payload: Document) -> list[Subscription]:
    """The subscription that the request names. Unknown ones are 400, unless they are to be ignored."""
    item = items(payload, 1)[0]
    known = subscriptions_of(project).by_external_id
    name = checked("items[0].externalId", _external_id, item.get("externalId"))
    if name not in known and not flag_of(payload, "ignoreUnknownIds"):
        raise _missing([name])
    return [known[name]] if name in known else []


# -- update and delete -----------------------------------------------------------------------------------------------------


def update(project: Project, request: Request) -> Response:
    item = items(body(request), 1)[0]
    subscription = _named(project, item.get("externalId"))
    changes: Document = item.get("update") or {}
    doc = patched(subscription.doc, changes, _FIELDS, {}, "items[0].update")
    check_references(project, {"dataSetId": "datasets"}, [doc] if "dataSetId" in changes else [])
    wanted = _new_filter(project, subscription, changes)
    added, removed = _member_changes(subscription, changes)
    known = subscriptions_of(project)
    if added or removed:
        known.change_members(subscription, added, removed)
    subscription.doc = {**doc, "lastUpdatedTime": project.next_timestamp()}
    if wanted is not None:
        subscription.doc["filter"] = changes["filter"]["set"]
        subscription.wanted = wanted
        known.refilter(subscription)
    return _described([subscription])


def _new_filter(project: Project, subscription: Subscription, changes: Document) -> Predicate | None:
    patch = changes.get("filter")
    if patch is None:
        return None
    if subscription.wanted is None:
        raise ApiError(
            400, "items[0].update.filter: this subscription has a list of time series, it cannot get a filter"
        )
    if type(patch) is not dict or set(patch) != {"set"}:
        raise ApiError(400, "items[0].update.filter: expected set; a filter cannot be removed")
    return _compiled(project, patch["set"])


def _member_changes(subscription: Subscription, changes: Document) -> tuple[list[MemberKey], list[MemberKey]]:
    """What to add and what to remove."""
    patches = {name: changes[name] for name in _MEMBERS if changes.get(name) is not None}
    if not patches:
        return [], []
    if subscription.members is None:
        raise ApiError(400, "items[0].update: the time series of a subscription with a filter cannot be set")
    ways = {"set" if type(patch) is dict and "set" in patch else "add" for patch in patches.values()}
    if len(ways) > 1:
        raise ApiError(
            400, "items[0].update: timeSeriesIds and instanceIds must either both be set, or both add/remove"
        )
    added: list[MemberKey] = []
    removed: list[MemberKey] = []
    for name, patch in patches.items():
        path = f"items[0].update.{name}"
        if type(patch) is not dict or not patch or set(patch) - ({"set"} if "set" in patch else {"add", "remove"}):
            raise ApiError(400, f"{path}: expected set, or add and remove")
        found = {way: _keys(name, value, f"{path}.{way}") for way, value in patch.items()}
        added += found.get("set", []) + found.get("add", [])
        removed += found.get("remove", [])
        if "set" in patch:
            removed += [key for key in subscription.members if (len(key) == 1) == (name == "timeSeriesIds")]
    return added, [key for key in removed if key not in added]


def delete(project: Project, request: Request) -> Response:
    for subscription in _wanted(project, body(request)):
        subscriptions_of(project).remove(subscription)
    return Response()
