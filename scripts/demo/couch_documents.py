# SPDX-License-Identifier: Apache-2.0
"""The work orders of the data set as documents, with what makes databases of documents hard to copy.

Ids are paths with the characters that equipment and priorities have in this plant (``+``, ``%``, blanks, brackets, ``ø``), some orders
have a protocol attached, some were edited in two places at once and are in conflict, and those that were cancelled are deleted.
Everything is written with plain requests.
"""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from scripts.demo.mapping import NULL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from scripts.demo.couch_server import CouchServer
    from scripts.demo.data_set import DataSet, Row

Document = dict[str, Any]

#: The slash is part of the name: in a URL it is ``%2F``.
DATABASE = "compressor/work_orders"
PROTOCOL = "prøveprotokoll 1.txt"
#: One in so many orders has a protocol, one in so many is in conflict.
PROTOCOLS, CONFLICTS = 50, 40
#: Documents of one request.
BATCH = 500
#: Written last: whoever finds it need not load again.
MARKER = "_local/loaded"
#: Columns that hold numbers; all others are text, but for "true" and "false".
NUMBERS = frozenset({"startTime", "endTime", "status", "durationHours", "actualHours", "percentageProgress"})
#: Columns whose values are summed up: the name in the summary's id, and what is written behind the value.
SUMMARIES = (("percentageProgress", "progress", "%"), ("priorityDescription", "priority", ""))


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many documents there are, and how many of what kind. Deleted ones are ``tombstones`` and no ``documents``."""

    documents: int
    conflicts: int
    attachments: int
    tombstones: int

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


def documents(data: DataSet) -> list[Document]:
    """Every document as it was first written: the orders, the equipment that they are about, and summaries."""
    orders, equipment = _links(data.rows("workorder2assets"))
    rows = data.rows("workorders")
    made = [order(row, orders[row["externalId"]]) for row in rows]
    for one in made[::PROTOCOLS]:
        one["_attachments"] = {PROTOCOL: _attachment(f"{one.get('title')}\n\n{one.get('description')}\n")}
    described = {row["externalId"]: row["description"] for row in data.rows("assets")}
    made += [
        {"_id": f"equipment/{key}", "type": "equipment", "description": described.get(key), "orders": sorted(about)}
        for key, about in sorted(equipment.items())
    ]
    return made + list(_summaries(rows))


def order_id(row: Row) -> str:
    return f"order/{row['externalId']}"


def order(row: Row, equipment: Iterable[str]) -> Document:
    """A work order. What the data set calls null is left out."""
    values = {name: _value(name, text) for name, text in row.items() if text != NULL}
    return {"_id": order_id(row), "type": "order", **values, "equipment": sorted(equipment)}


def load(server: CouchServer, data: DataSet, database: str = DATABASE) -> Loaded:
    """Make the database and fill it. A load that was broken off begins again; one that was finished is not repeated."""
    if server.has(database, MARKER):
        return Loaded(**server.ask("GET", database, MARKER)["loaded"])
    if not server.create(database):
        server.ask("DELETE", database)
        server.create(database)
    made = documents(data)
    revisions = write(server, database, made)
    rows = data.rows("workorders")
    cancelled = {order_id(row) for row in rows if row.get("isCancelled") == "true"}
    kept = [one for one in made if one["type"] == "order" and one["_id"] not in cancelled]
    conflicts = kept[1::CONFLICTS]
    _in_two_places(server, database, conflicts, revisions)
    write(server, database, [{"_id": name, "_rev": revisions[name], "_deleted": True} for name in sorted(cancelled)])
    protocols = sum("_attachments" in one for one in kept)
    loaded = Loaded(len(made) - len(cancelled), len(conflicts), protocols, len(cancelled))
    server.ask("PUT", database, MARKER, json={"loaded": loaded.as_dict()})
    return loaded


def write(server: CouchServer, database: str, made: Sequence[Document]) -> dict[str, str]:
    """Write documents, and return the new revision of each. Raises ValueError with the first refusal."""
    revisions: dict[str, str] = {}
    for start in range(0, len(made), BATCH):
        answered = server.ask("POST", database, "_bulk_docs", json={"docs": made[start : start + BATCH]})
        for one in answered:
            if "error" in one:
                raise ValueError(f"{one['id']}: {one['error']}: {one['reason']}")
            revisions[one["id"]] = one["rev"]
    return revisions


def _in_two_places(server: CouchServer, database: str, chosen: Sequence[Document], revisions: dict[str, str]) -> None:
    """Two edits of the same revision, as two servers would have them before they meet: the later one is not lost, but a conflict."""
    edits = []
    for one in chosen:
        _, first = revisions[one["_id"]].split("-", 1)
        for place in ("onshore", "offshore"):
            second = hashlib.md5(f"{place} {one['_id']}".encode(), usedforsecurity=False).hexdigest()
            body = {name: value for name, value in one.items() if name != "_attachments"}
            edits.append(
                {**body, "editedBy": place, "_rev": f"2-{second}", "_revisions": {"start": 2, "ids": [second, first]}}
            )
    for start in range(0, len(edits), BATCH):
        part = {"docs": edits[start : start + BATCH], "new_edits": False}
        if refused := server.ask("POST", database, "_bulk_docs", json=part):
            raise ValueError(f"conflicts were refused: {refused[0]}")


def _links(rows: Iterable[Row]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Order -> equipment, equipment -> orders."""
    orders: dict[str, list[str]] = defaultdict(list)
    equipment: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        orders[row["sourceExternalId"]].append(row["targetExternalId"])
        equipment[row["targetExternalId"]].append(row["sourceExternalId"])
    return orders, equipment


def _summaries(rows: Iterable[Row]) -> Iterator[Document]:
    for column, name, behind in SUMMARIES:
        found: dict[str, int] = defaultdict(int)
        for row in rows:
            found[row.get(column, NULL)] += 1
        found.pop(NULL, None)
        for value, count in sorted(found.items()):
            yield {"_id": f"summary/{name}/{value}{behind}", "type": "summary", "orders": count}


def _value(name: str, text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    return float(text) if name in NUMBERS and "." in text else int(text) if name in NUMBERS and text else text


def _attachment(text: str) -> dict[str, str]:
    return {"content_type": "text/plain; charset=utf-8", "data": base64.b64encode(text.encode()).decode()}
