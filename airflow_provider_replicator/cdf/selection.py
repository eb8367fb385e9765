# SPDX-License-Identifier: Apache-2.0
"""A selection as CDF's list filters, and as a predicate for what the filters cannot say or did not see."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_replicator.cdf.references import by_ids
from airflow_provider_replicator.cdf.resources import RESOURCES
from airflow_provider_replicator.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.options import Options, Selection
    from airflow_provider_replicator.cdf.resources import Resource

Document = dict[str, Any]
How = Literal["listed", "fetched"]
#: The filter by subtrees, and how many of them it may name. CDF refuses it if they have more than 100 000 assets together.
SUBTREES = "assetSubtreeIds"
_MAX_SUBTREES = 100
_WITH_PATH: Document = {"aggregatedProperties": ["path"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a run covers in one project. ``listings`` are bodies of list requests, one after the other; None means that
    ``keys`` are asked for by name instead. ``roots`` are the ids of the selected subtrees' roots.
    """

    listings: tuple[Document, ...] | None
    keys: tuple[str, ...] = ()
    roots: frozenset[int] = frozenset()
    external_ids: frozenset[str] | None = None
    prefix: str | None = None
    exclude: re.Pattern[str] | None = None
    data_sets: frozenset[int] | None = None
    max_depth: int | None = None
    window: tuple[int, int] | None = None
    #: The listings do not know the subtrees: each document's path says whether it is in one.
    by_path: bool = False
    #: The listings do not know the prefix.
    by_prefix: bool = False

    def why_not(self, document: Document, how: How = "listed") -> str | None:
        """Why a document is left out; None if it is covered.

        ``how``: it came from one of the listings (or was asked for by one of the keys, where there are no listings), or it was
        fetched by id for another object's sake: then it need not have changed in the window.
        """
        external_id = document.get("externalId")
        if self.exclude is not None and external_id is not None and self.exclude.search(external_id):
            return "excluded"
        if self.external_ids is not None and external_id not in self.external_ids:
            return "not_selected"
        if self.by_prefix and not self._matches_prefix(document):
            return "not_selected"
        if self.by_path or self.max_depth is not None:
            depth = self._depth(document) if how == "listed" else 0
            if depth is None:
                return "not_selected"
            if self.max_depth is not None and depth > self.max_depth:
                return "below_max_depth"
        if how == "listed" and self.listings is not None:
            return None
        if not self._matches_filters(document) or (how == "listed" and not self.in_window(document)):
            return "not_selected"
        return None

    @property
    def looks_at_documents(self) -> bool:
        """Whether :meth:`why_not` can leave out anything that a listing returned."""
        return (
            self.exclude is not None
            or self.by_prefix
            or self.external_ids is not None
            or self.max_depth is not None
            or self.by_path
            or self.listings is None
        )

    def _matches_filters(self, document: Document) -> bool:
        in_data_sets = self.data_sets is None or document.get("dataSetId") in self.data_sets
        return in_data_sets and self._matches_prefix(document)

    def _matches_prefix(self, document: Document) -> bool:
        return self.prefix is None or str(document.get("externalId", "")).startswith(self.prefix)

    def in_window(self, document: Document) -> bool:
        return self.window is None or self.window[0] <= document["lastUpdatedTime"] <= self.window[1]

    def _depth(self, document: Document) -> int | None:
        """Levels below the nearest selected root; None outside of all of them."""
        path = [step["id"] for step in document["aggregates"]["path"]]
        places = [n for n, number in enumerate(path) if number in self.roots]
        return len(path) - 1 - places[-1] if places else None

    def without_subtree_filter(self) -> Scope:
        """The same, for subtrees that are too big for CDF's filter: everything is listed, with its path."""
        unique: list[Document] = []
        for listing in self.listings or ():
            filters = {name: value for name, value in listing["filter"].items() if name != SUBTREES}
            body = {"filter": filters, **_WITH_PATH}
            if body not in unique:
                unique.append(body)
        return replace(self, listings=tuple(unique), by_path=True)


async def scope_of(resource: Resource, source: CdfClient, options: Options) -> Scope:
    """The scope of a run on the source. Raises ConfigurationError for data sets and subtree roots that the source does not have."""
    selection = options.selection
    data_sets = await _ids_by_name("data_sets", selection.data_set_external_ids, source)
    roots: dict[str, int] | None = None
    if resource.subtree_filter:
        roots = await _ids_by_name("assets", selection.asset_subtree_external_ids, source)
    for what, asked, found in (
        ("data set", selection.data_set_external_ids, data_sets),
        ("asset", selection.asset_subtree_external_ids, roots),
    ):
        missing = [] if found is None or asked is None else sorted(set(asked) - found.keys())
        if missing:
            raise ConfigurationError(f"{source.project} has no {what} named {', '.join(map(repr, missing))}")
    return _scope(resource, selection, data_sets, roots, _window(options) if resource.can_filter_by_time else None)


async def scope_in_target(resource: Resource, target: CdfClient, selection: Selection) -> Scope | None:
    """The same selection in the target, where data sets and roots have the same external ids; None if it has none of these."""
    data_sets = await _ids_by_name("data_sets", selection.data_set_external_ids, target)
    roots: dict[str, int] | None = None
    if resource.subtree_filter:
        roots = await _ids_by_name("assets", selection.asset_subtree_external_ids, target)
    if data_sets == {} or roots == {}:
        return None
    there = replace(
        selection,
        data_set_external_ids=None if data_sets is None else tuple(data_sets),
        asset_subtree_external_ids=tuple(roots) if roots is not None else selection.asset_subtree_external_ids,
    )
    return _scope(resource, there, data_sets, roots, None)


def _scope(
    resource: Resource,
    selection: Selection,
    data_sets: dict[str, int] | None,
    roots: dict[str, int] | None,
    window: tuple[int, int] | None,
) -> Scope:
    is_data_sets = resource.name == "data_sets"
    wanted = _named(selection, is_data_sets=is_data_sets)
    by_name = wanted is not None and roots is None
    return Scope(
        listings=None if by_name else _listings(resource, selection, window),
        keys=wanted if wanted is not None and by_name else (),
        roots=frozenset(roots.values() if roots else ()),
        external_ids=frozenset(wanted) if wanted is not None and not by_name else None,
        prefix=selection.external_id_prefix,
        by_prefix=selection.external_id_prefix is not None and not resource.prefix_filter,
        exclude=None if selection.exclude_pattern is None else re.compile(selection.exclude_pattern),
        data_sets=None if is_data_sets or data_sets is None else frozenset(data_sets.values()),
        max_depth=selection.max_depth if resource.parent else None,
        window=window,
    )


def _named(selection: Selection, *, is_data_sets: bool) -> tuple[str, ...] | None:
    """The objects asked for by name. Selecting data sets selects them themselves, too."""
    names = [selection.external_ids, selection.data_set_external_ids if is_data_sets else None]
    given = [dict.fromkeys(some) for some in names if some is not None]
    if not given:
        return None
    return tuple(name for name in given[0] if all(name in others for others in given[1:]))


async def _ids_by_name(resource: str, names: Sequence[str] | None, client: CdfClient) -> dict[str, int] | None:
    """External id -> id, for those which ``client`` has; None if none are asked for."""
    if names is None:
        return None
    found = await by_ids(client, RESOURCES[resource].path, [{"externalId": name} for name in dict.fromkeys(names)])
    return {document["externalId"]: document["id"] for document in found}


def _window(options: Options) -> tuple[int, int] | None:
    """Both ends inclusive, as CDF's filters are."""
    if options.mode != "window" or options.window is None:
        return None
    return max(0, options.window.start_ms - options.overlap_ms), options.window.end_ms - 1


def _listings(resource: Resource, selection: Selection, window: tuple[int, int] | None) -> tuple[Document, ...]:
    common: Document = {}
    if selection.external_id_prefix is not None and resource.prefix_filter:
        common["externalIdPrefix"] = selection.external_id_prefix
    if window is not None:
        common["lastUpdatedTime"] = {"min": window[0], "max": window[1]}
    data_sets = _chunks("dataSetIds", selection.data_set_external_ids, resource.data_set_filter)
    subtrees = _chunks(
        SUBTREES, selection.asset_subtree_external_ids, _MAX_SUBTREES if resource.subtree_filter else None
    )
    more = _WITH_PATH if resource.parent and selection.max_depth is not None else {}
    return tuple({"filter": {**common, **some, **others}, **more} for some, others in product(data_sets, subtrees))


def _chunks(name: str, values: Sequence[str] | None, size: int | None) -> list[Document]:
    if values is None or size is None:
        return [{}]
    unique = [{"externalId": value} for value in dict.fromkeys(values)]
    return [{name: unique[start : start + size]} for start in range(0, len(unique), size)]
