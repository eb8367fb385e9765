# SPDX-License-Identifier: Apache-2.0
"""Trees into batches: few, parents first, and mostly independent of each other."""

from __future__ import annotations

import random
import tempfile
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_replicator.cdf.objects.deletes import _children_first
from airflow_provider_replicator.cdf.objects.packing import Packing, depths, pack, parent_rows
from airflow_provider_replicator.cdf.objects.spool import Spool


def _array(parents: list[int]) -> Any:
    return np.array(parents, dtype=np.int64)


def _random_forest(count: int, seed: int, *, fan: int) -> list[int]:
    """Parents of a forest in random row order; ``fan``: how far back a parent may lie (small: deep, large: flat)."""
    rng = random.Random(seed)
    shuffled = list(range(count))
    rng.shuffle(shuffled)
    parents = [-1] * count
    for n in range(1, count):
        if rng.random() < 0.99:
            parents[shuffled[n]] = shuffled[rng.randrange(max(0, n - fan), n)]
    return parents


def _check(packing: Packing, parents: list[int], size: int) -> None:
    """All rows once, no batch too big, and every parent in the same batch before its child or in one that is waited for."""
    place = {}
    for number, batch in enumerate(packing.batches):
        assert 0 < len(batch.rows) <= size
        assert all(before < number for before in batch.after)
        for n, row in enumerate(batch.rows.tolist()):
            assert row not in place
            place[row] = (number, n)
    assert sorted([*place, *packing.in_cycles]) == list(range(len(parents)))
    for row, (number, n) in place.items():
        if parents[row] >= 0:
            above, position = place[parents[row]]
            assert (above == number and position < n) or above in packing.batches[number].after


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 300), st.integers(0, 10**6), st.sampled_from([1, 2, 5, 30, 300]), st.sampled_from([1, 3, 10, 50]))
def test_every_batch_can_be_written_after_those_it_waits_for(count: int, seed: int, fan: int, size: int) -> None:
    parents = _random_forest(count, seed, fan=fan)
    packing = pack(_array(parents), size)
    _check(packing, parents, size)
    assert packing.in_cycles == []
    assert len(packing.batches) <= 1.25 * (-(-count // size)) + 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-1, 19), min_size=1, max_size=20))
def test_cycles_are_found_and_everything_else_is_packed(parents: list[int]) -> None:
    parents = [parent if parent < len(parents) else -1 for parent in parents]

    def hangs_in_a_cycle(row: int) -> bool:
        for _ in range(len(parents) + 1):
            if row < 0:
                return False
            row = parents[row]
        return True

    packing = pack(_array(parents), 5)
    _check(packing, parents, 5)
    assert packing.in_cycles == [row for row in range(len(parents)) if hangs_in_a_cycle(row)]


@pytest.mark.parametrize("count", [1, 999, 1000, 1001, 4000])
def test_a_flat_tree_takes_as_few_batches_as_possible_and_one_step(count: int) -> None:
    packing = pack(_array([-1, *[0] * (count - 1)]), 1000)
    assert len(packing.batches) == -(-count // 1000)
    assert all(batch.after in ((), (0,)) for batch in packing.batches)


def test_a_plant_goes_up_in_parallel() -> None:
    """A root, 40 units, 100 000 assets of depth 6: nearly all batches wait for the first few only."""
    parents = [-1] + [0] * 40
    for n in range(41, 100_000):
        parents.append(n % 40 + 1 if n < 1000 else (n - 41) // 12 + 1)
    packing = pack(_array(parents), 1000)
    _check(packing, parents, 1000)
    assert len(packing.batches) <= 110
    waves = [0] * len(packing.batches)
    for number, batch in enumerate(packing.batches):
        waves[number] = 1 + max((waves[before] for before in batch.after), default=0)
    assert max(waves) <= 12


def test_a_long_chain_is_possible() -> None:
    count = 5000
    packing = pack(_array([-1, *range(count - 1)]), 1000)
    _check(packing, [-1, *range(count - 1)], 1000)
    assert depths(_array([-1, *range(count - 1)])).tolist() == list(range(count))


def test_rows_of_parents() -> None:
    assert parent_rows([30, 10, 20], [10, 0, 99]).tolist() == [1, -1, -1]
    assert parent_rows([], []).tolist() == []


def test_a_spool_returns_what_went_in_from_memory_and_from_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    temporary_file = tempfile.TemporaryFile
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **kw: made.append(1) or temporary_file(**kw))  # type: ignore[func-returns-value]
    spool = Spool(max_bytes=100)
    documents = [bytes([65 + n % 26]) * n for n in range(60)]
    for start in range(0, 60, 7):
        spool.extend(documents[start : start + 7])
        seen = [min(start + 6, 59), 0, start]
        assert spool.read(seen) == [documents[n] for n in seen]
    assert made == [1]
    assert len(spool) == 60
    spool.close()


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 60), st.integers(0, 10**6), st.sampled_from([1, 5, 60]))
def test_deletes_go_in_waves_with_children_first(count: int, seed: int, fan: int) -> None:
    parents = _random_forest(count, seed, fan=fan)
    documents = [
        {"id": n + 1, **({"parentId": parent + 1} if parent >= 0 else {})}
        for n, parent in enumerate(parents)
        if n % 7 != 3  # some of the tree stays
    ]
    waves = _children_first(documents)
    wave_of = {document["id"]: n for n, wave in enumerate(waves) for document in wave}
    assert wave_of.keys() == {document["id"] for document in documents}
    assert all(
        wave_of[document["id"]] < wave_of[document["parentId"]]
        for document in documents
        if document.get("parentId") in wave_of
    )
