# SPDX-License-Identifier: Apache-2.0
"""``/models/instances/query``: result expressions, what leads from one to the other, pages, sorting, sets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.caller import AnswerError, Caller
from tests.sandbox.models import plant
from tests.sandbox.models.plant import FLOWS, PUMP, SPACE, names, of_pump, pipe, pump, reference, shown


@pytest.fixture
def cdf(cdf: Caller) -> Caller:
    """Pumps p0 … p9 with sizes 0 … 9, p1 … p9 below p0; pipes p0-p1-p2-p3-p1 and p0-p4."""
    plant.build(cdf)
    numbered = [pump(f"p{n}", name=f"Pump {n}", size=n, running=n % 2 == 0) for n in range(10)]
    for node in numbered[1:]:
        node["sources"][0]["properties"]["parent"] = reference("p0")
    plant.apply(cdf, *numbered)
    plant.apply(
        cdf, pipe("p0", "p1"), pipe("p1", "p2"), pipe("p2", "p3"), pipe("p3", "p1"), pipe("p0", "p4", label="x")
    )
    return cdf


def query(cdf: Caller, select: dict[str, Any] | None = None, **expressions: Any) -> dict[str, Any]:
    """Everything is selected unless told otherwise."""
    chosen = {name: {} for name in expressions} if select is None else select
    found: dict[str, Any] = cdf.post("/models/instances/query", {"with": expressions, "select": chosen})
    return found


def found(cdf: Caller, select: dict[str, Any] | None = None, **expressions: Any) -> dict[str, list[str]]:
    return {name: names(items) for name, items in query(cdf, select, **expressions)["items"].items()}


def one(name: str) -> dict[str, Any]:
    return {"equals": {"property": ["node", "externalId"], "value": name}}


def size(**bounds: Any) -> dict[str, Any]:
    return {"range": {"property": of_pump("size"), **bounds}}


def numbers(*sizes: int) -> list[str]:
    return [f"p{n}" for n in sizes]


def test_nodes_show_the_properties_that_are_selected(cdf: Caller) -> None:
    answer = query(
        cdf,
        {"a": shown("name", "parent"), "b": shown(), "c": {}},
        **{key: {"nodes": {"filter": one("p3")}} for key in "abc"},
    )
    named = {"name": "Pump 3", "parent": reference("p0")}
    properties = {name: items[0]["properties"] for name, items in answer["items"].items()}
    assert properties == {
        "a": {SPACE: {"Pump/v1": named}},
        "b": {SPACE: {"Pump/v1": {**named, "size": 3, "running": False}}},
        "c": {},
    }
    assert answer["nextCursor"] == {}


def test_what_is_not_selected_is_not_shown(cdf: Caller) -> None:
    found_ = found(cdf, {"b": {}}, a={"nodes": {"filter": one("p0")}}, b={"edges": {"from": "a", "maxDistance": 1}})
    assert found_ == {"b": ["p0-p1", "p0-p4"]}


def test_pages_follow_each_other_while_instances_come_and_go(cdf: Caller) -> None:
    asked = {"with": {"a": {"nodes": {"filter": size(gte=0)}, "limit": 4}}, "select": {"a": shown("size")}}
    first = cdf.post("/models/instances/query", asked)
    assert names(first["items"]["a"]) == numbers(0, 1, 2, 3)
    plant.delete(cdf, "p1", "p5")
    plant.apply(cdf, pump("p10", size=10))
    second = cdf.post("/models/instances/query", {**asked, "cursors": first["nextCursor"]})
    assert names(second["items"]["a"]) == numbers(4, 6, 7, 8)
    third = cdf.post("/models/instances/query", {**asked, "cursors": second["nextCursor"]})
    assert (names(third["items"]["a"]), third["nextCursor"]) == (numbers(9, 10), {})


def test_the_limit_is_a_hundred_unless_given_and_at_most_ten_thousand(cdf: Caller) -> None:
    plant.apply(cdf, *(pump(f"x{n}") for n in range(150)))
    answer = query(cdf, a={"nodes": {}})
    assert (len(answer["items"]["a"]), list(answer["nextCursor"])) == (100, ["a"])
    assert len(found(cdf, a={"nodes": {}, "limit": 10_000})["a"]) == 161
    with pytest.raises(AnswerError, match="between 1 and 10000"):
        query(cdf, a={"nodes": {}, "limit": 10_001})


def test_a_sorted_listing_goes_on_where_it_left_off(cdf: Caller) -> None:
    plant.apply(cdf, pump("none", name="without size"))
    sort = [
        {"property": of_pump("running")},
        {"property": of_pump("size"), "direction": "descending", "nullsFirst": True},
    ]
    asked: dict[str, Any] = {
        "with": {"a": {"nodes": {"filter": {"hasData": [PUMP]}}, "sort": sort, "limit": 3}},
        "select": {"a": {}},
    }
    seen = []
    cursors: dict[str, Any] = {}
    while True:
        answer = cdf.post("/models/instances/query", {**asked, "cursors": cursors})
        seen += names(answer["items"]["a"])
        cursors = answer["nextCursor"]
        if not cursors:
            break
        if len(seen) == 3:  # what is sorted before the cursor, and what is deleted, changes nothing for what follows
            plant.apply(cdf, pump("early", running=False, size=99))
            plant.delete(cdf, seen[-1])
    assert seen == [*numbers(9, 7, 5, 3, 1, 8, 6, 4, 2, 0), "none"]


def test_edges_lead_on_as_far_as_they_may(cdf: Caller) -> None:
    start = {"nodes": {"filter": one("p0")}}
    results = found(
        cdf,
        a=start,
        far={"edges": {"from": "a"}},
        two={"edges": {"from": "a", "maxDistance": 2}},
        each={"edges": {"from": "a", "maxDistance": 1, "limitEach": 1}},
        small={"edges": {"from": "a", "nodeFilter": size(lt=2)}},
        stop={"edges": {"from": "a", "terminationFilter": one("p2")}},
        tagged={"edges": {"from": "a", "filter": {"hasData": [plant.TAG]}}},
    )
    assert results["far"] == ["p0-p1", "p0-p4", "p1-p2", "p2-p3", "p3-p1"]
    assert results["two"] == ["p0-p1", "p0-p4", "p1-p2"]
    assert results["each"] == ["p0-p1"]
    assert results["small"] == ["p0-p1"]
    assert results["stop"] == ["p0-p1", "p0-p4", "p1-p2"]
    assert results["tagged"] == ["p0-p4"]


def test_nodes_at_either_side_of_edges(cdf: Caller) -> None:
    results = found(
        cdf,
        a={"nodes": {"filter": one("p1")}},
        out={"edges": {"from": "a", "maxDistance": 1}},
        into={"edges": {"from": "a", "maxDistance": 1, "direction": "inwards"}},
        ends={"nodes": {"from": "out"}},
        starts={"nodes": {"from": "out", "chainTo": "source"}},
        sources={"nodes": {"from": "into"}},
        here={"nodes": {"from": "into", "chainTo": "source"}},
        small={"nodes": {"from": "into", "filter": size(lt=1)}},
        onwards={"edges": {"from": "out", "maxDistance": 1}},
    )
    assert results["into"] == ["p0-p1", "p3-p1"]
    assert (results["ends"], results["starts"]) == (["p2"], ["p1"])
    assert (results["sources"], results["here"]) == (["p0", "p3"], ["p1"])
    assert results["small"] == ["p0"]
    assert results["onwards"] == ["p2-p3"]


@pytest.mark.parametrize("source", [PUMP, plant.CONTAINER])
def test_direct_relations_are_followed_both_ways(cdf: Caller, source: dict[str, str]) -> None:
    through = {"source": source, "identifier": "parent"}
    results = found(
        cdf,
        a={"nodes": {"filter": {"in": {"property": ["node", "externalId"], "values": ["p3", "p4"]}}}},
        up={"nodes": {"from": "a", "through": through, "direction": "outwards"}},
        down={"nodes": {"from": "up", "through": through, "filter": size(gt=7)}},
    )
    assert results == {"a": ["p3", "p4"], "up": ["p0"], "down": ["p8", "p9"]}


def test_relations_as_the_deprecated_reference_says_them(cdf: Caller) -> None:
    through = {"view": PUMP, "identifier": "parent"}
    results = found(cdf, a={"nodes": {"filter": one("p0")}}, b={"nodes": {"from": "a", "through": through}, "limit": 3})
    assert results["b"] == ["p1", "p2", "p3"]


def test_sets(cdf: Caller) -> None:
    results = found(
        cdf,
        low={"nodes": {"filter": size(lt=3)}},
        even={"nodes": {"filter": {"equals": {"property": of_pump("running"), "value": True}}}},
        either={"union": ["low", "even"]},
        all={"unionAll": ["low", "even"], "limit": 7},
        both={"intersection": ["low", "even"]},
        rest={"union": ["even"], "except": ["low"]},
        nested={"union": [{"intersection": ["low", "even"]}, {"unionAll": ["low"], "except": ["even"]}]},
    )
    assert results["either"] == numbers(0, 1, 2, 4, 6, 8)
    assert results["all"] == numbers(0, 1, 2, 0, 2, 4, 6)
    assert results["both"] == numbers(0, 2)
    assert results["rest"] == numbers(4, 6, 8)
    assert results["nested"] == numbers(0, 2, 1)


def test_what_is_chained_comes_in_pages_too(cdf: Caller) -> None:
    through = {"source": PUMP, "identifier": "parent"}
    asked = {
        "with": {
            "a": {"nodes": {"filter": one("p0")}},
            "b": {
                "nodes": {"from": "a", "through": through},
                "limit": 4,
                "sort": [{"property": of_pump("size"), "direction": "descending"}],
            },
        },
        "select": {"b": {}},
    }
    seen: list[list[str]] = []
    cursors: dict[str, Any] = {}
    while len(seen) < 20:
        answer = cdf.post("/models/instances/query", {**asked, "cursors": cursors})
        seen.append(names(answer["items"]["b"]))
        cursors = answer["nextCursor"]
        if not cursors:
            break
    assert seen == [numbers(9, 8, 7, 6), numbers(5, 4, 3, 2), numbers(1)]


def test_a_selection_sorts_and_limits_what_was_found(cdf: Caller) -> None:
    select = {"a": {"sort": [{"property": ["node", "externalId"], "direction": "descending"}], "limit": 2}}
    assert found(cdf, select, a={"nodes": {"filter": size(lt=4)}}) == {"a": ["p3", "p2"]}


def test_parameters_stand_for_values(cdf: Caller) -> None:
    asked = {
        "with": {"a": {"nodes": {"filter": size(gte={"parameter": "least"})}}},
        "select": {"a": {}},
        "parameters": {"least": 8},
    }
    assert names(cdf.post("/models/instances/query", asked)["items"]["a"]) == ["p8", "p9"]
    with pytest.raises(AnswerError, match="least"):
        cdf.post("/models/instances/query", {**asked, "parameters": {}})


def test_typing_and_units(cdf: Caller) -> None:
    plant.apply(cdf, pump("strong", power=2))
    source = {
        "source": PUMP,
        "properties": ["power"],
        "targetUnits": [{"property": "power", "unit": {"externalId": "pressure:pa"}}],
    }
    asked = {
        "with": {"a": {"nodes": {"filter": one("strong")}}},
        "select": {"a": {"sources": [source]}},
        "includeTyping": True,
    }
    answer = cdf.post("/models/instances/query", asked)
    assert answer["items"]["a"][0]["properties"] == {SPACE: {"Pump/v1": {"power": 200_000.0}}}
    assert answer["typing"]["a"][SPACE]["Pump/v1"]["power"]["type"]["unit"]["externalId"] == "pressure:pa"


def test_edges_say_what_they_connect(cdf: Caller) -> None:
    select = {"e": {"sources": [{"source": plant.TAG, "properties": ["*"]}]}}
    edge = query(cdf, select, e={"edges": {"filter": {"hasData": [plant.TAG]}}})["items"]["e"][0]
    assert (edge["type"], edge["startNode"], edge["endNode"]) == (FLOWS, reference("p0"), reference("p4"))
    assert edge["properties"] == {SPACE: {"Tag/v1": {"label": "x"}}}


@pytest.mark.parametrize(
    ("message", "expressions"),
    [
        ("exactly one of", {"a": {}}),
        ("exactly one of", {"a": {"nodes": {}, "edges": {}}}),
        ("'b' is no result expression", {"a": {"nodes": {"from": "b"}}}),
        ("depend on themselves", {"a": {"nodes": {"from": "b"}}, "b": {"nodes": {"from": "a"}}}),
        ("depend on themselves", {"a": {"union": ["a"]}}),
        ("do not exist", {"a": {"nodes": {"filter": {"hasData": [{**PUMP, "version": "v9"}]}}}}),
        (
            "no direct relation",
            {"a": {"nodes": {}}, "b": {"nodes": {"from": "a", "through": {"source": PUMP, "identifier": "name"}}}},
        ),
        ("direction", {"a": {"edges": {"direction": "sideways"}}}),
        ("Unknown property", {"a": {"nodes": {}, "sort": [{"property": of_pump("nothing")}]}}),
    ],
)
def test_what_means_nothing_is_refused(cdf: Caller, message: str, expressions: dict[str, Any]) -> None:
    with pytest.raises(AnswerError, match=message) as refused:
        query(cdf, **expressions)
    assert refused.value.status == 400


def test_selections_must_name_expressions_views_and_properties(cdf: Caller) -> None:
    wrongs: tuple[dict[str, Any], ...] = (
        {"b": {}},
        {"a": {"sources": [{"source": {**PUMP, "version": "v9"}, "properties": ["*"]}]}},
        {"a": shown("nothing")},
    )
    for wrong in wrongs:
        with pytest.raises(AnswerError) as refused:
            query(cdf, wrong, a={"nodes": {}})
        assert refused.value.status == 400


def test_a_cursor_is_good_for_its_query_alone(cdf: Caller) -> None:
    expression = {"nodes": {"filter": size(gte=0)}, "limit": 2}
    answer = query(cdf, a=expression)
    again = {"with": {"a": {**expression, "limit": 5}}, "select": {"a": {}}, "cursors": answer["nextCursor"]}
    assert len(cdf.post("/models/instances/query", again)["items"]["a"]) == 5
    other = {**again, "with": {"a": {"nodes": {"filter": size(gte=1)}, "limit": 2}}}
    for wrong in (other, {**again, "cursors": {"a": "nonsense"}}, {**again, "cursors": {"b": "x"}}):
        with pytest.raises(AnswerError) as refused:
            cdf.post("/models/instances/query", wrong)
        assert refused.value.status == 400


def test_a_graph_may_time_out(cdf: Caller) -> None:
    cdf.server.settings.graph_timeout_above = 1000
    assert query(cdf, a={"nodes": {}, "limit": 1000})["items"]["a"]
    with pytest.raises(AnswerError, match="timed out") as refused:
        query(cdf, a={"nodes": {}, "limit": 1001})
    assert refused.value.status == 408


def test_what_a_debugger_asks_for(cdf: Caller) -> None:
    """Notices on sorts that no index supports; a translation and a plan that are empty, as nothing is translated here."""
    debug = {"emitResults": False, "includeTranslatedQuery": True, "includePlan": True}
    by_name, by_size = ([{"property": of_pump(name)}] for name in ("name", "size"))
    asked = {
        "with": {"a": {"nodes": {}, "sort": by_name}, "b": {"nodes": {}, "sort": by_size}},
        "select": {"a": {}},
        "debug": debug,
    }
    answer = cdf.post("/models/instances/query", asked)
    assert (answer["items"], answer["nextCursor"]) == ({"a": []}, {})
    (notice,) = answer["debug"]["notices"]
    assert (notice["code"], notice["resultExpression"], notice["sort"]) == ("sortNotBackedByIndex", "a", by_name)
    assert set(answer["debug"]) == {"notices", "translatedQuery", "plan"}
    synced = cdf.post("/models/instances/sync", {"with": {"a": {"nodes": {}}}, "select": {"a": {}}, "debug": {}})
    assert synced["debug"] == {"notices": []}


def test_a_view_over_several_containers_shows_what_there_is(cdf: Caller) -> None:
    """Both of them whole, one whole and one in part, one alone, one without any value."""
    containers = {name: {"type": "container", "space": SPACE, "externalId": name} for name in ("Pump", "Tag")}

    def mapped(**properties: str) -> dict[str, Any]:
        pairs = {view_name: source.split(".") for view_name, source in properties.items()}
        return {
            name: {"container": containers[container], "containerPropertyIdentifier": inner}
            for name, (container, inner) in pairs.items()
        }

    whole = mapped(label="Tag.label", **{name: f"Pump.{name}" for name in plant.PROPERTIES})
    views = {"Whole": whole, "Part": mapped(label="Tag.label", title="Pump.name"), "Pump": {}}
    cdf.create(
        "/models/views",
        *({"space": SPACE, "externalId": n, "version": "v2", "properties": p} for n, p in views.items() if p),
    )
    label = {"source": containers["Tag"], "properties": {"label": "L"}}
    for name, sources in {"both": [label], "tagged": [label], "empty": []}.items():
        node = pump(name, **({} if name == "tagged" else {"name": "N"} if name == "both" else {"name": None}))
        plant.apply(cdf, {**node, "sources": node["sources"] + sources})

    def read(view_name: str) -> dict[str, Any]:
        source = {"type": "view", "space": SPACE, "externalId": view_name, "version": "v2"}
        wanted = {"in": {"property": ["node", "externalId"], "values": ["both", "tagged", "empty"]}}
        select = {"a": {"sources": [{"source": source, "properties": ["*"]}]}}
        items = query(cdf, select, a={"nodes": {"filter": wanted}})["items"]["a"]
        return {one["externalId"]: one["properties"][SPACE][f"{view_name}/v2"] for one in items}

    assert read("Whole") == {"both": {"name": "N", "label": "L"}, "tagged": {"label": "L"}, "empty": {}}
    assert read("Part") == {"both": {"title": "N", "label": "L"}, "tagged": {"label": "L"}, "empty": {}}


def test_nodes_of_global_spaces_are_seen_by_who_names_their_space(cdf: Caller) -> None:
    unit = {"space": "cdf_cdm_units", "externalId": "pressure:bar"}
    plant.apply(cdf, pump("measured", parent=unit))
    named = {"equals": {"property": ["node", "space"], "value": "cdf_cdm_units"}}
    bar = {"and": [named, one("pressure:bar")]}
    refers = {"equals": {"property": of_pump("parent"), "value": unit}}
    results = found(cdf, a={"nodes": {"filter": bar}}, b={"nodes": {"filter": refers}}, c={"nodes": {}})
    assert (results["a"], results["b"]) == (["pressure:bar"], ["measured"])
    assert "pressure:bar" not in results["c"]
    for condition, expected in ((bar, ["pressure:bar"]), (refers, ["measured"])):
        assert names(cdf.items("/models/instances/list", {"filter": condition})) == expected
