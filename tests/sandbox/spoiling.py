# SPDX-License-Identifier: Apache-2.0
"""Good requests made bad in one place: nearer to what clients get wrong than requests made up from nothing."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

JUNK: list[Any] = [
    *(
        None,
        True,
        0,
        -1,
        1.5,
        10**12,
        1 << 63,
        1e308,
        "",
        "x",
        "\0",
        "p0",
        "å" * 300,
        [],
        {},
        [[]],
        [{}],
        {"": {}},
        [None],
    ),
    *(
        {"property": ["node"]},
        {"parameter": "least"},
        ["node", "externalId"],
        {"hasData": []},
        {"matchAll": {}},
        "a",
    ),
]


def spoil(value: Any, rng: random.Random) -> Any:
    """A copy in which something, anywhere, is replaced, renamed, doubled or gone."""
    spoiled = copy.deepcopy(value)
    places = list(_places(spoiled))
    holder, key = rng.choice(places)
    way = rng.random()
    if way < 0.6:
        holder[key] = copy.deepcopy(rng.choice(JUNK))
    elif way < 0.8:
        del holder[key]
    elif isinstance(holder, dict):
        holder[rng.choice(["x", "from", "limit", "filter", "nodes", "union", "externalId", "value"])] = holder[key]
    else:
        holder.append(holder[key])
    return spoiled


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])
