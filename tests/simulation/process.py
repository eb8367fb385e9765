# SPDX-License-Identifier: Apache-2.0
"""One operating-system process of the program under test: clients, a checkpoint, and a death at any step."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.http.client import CdfClient
from airflow_provider_replicator.core.checkpoint import MemoryStore
from tests.simulation.virtual_loop import Crash, VirtualLoop, run
from tests.simulation.world import Weather, Wire, World

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    #: (client, checkpoint store) -> the program
    Program = Callable[["Machine"], Coroutine[Any, Any, Any]]


class MortalStore(MemoryStore):
    """A checkpoint store that outlives the process; what the process writes after its death does not arrive."""

    def __init__(self) -> None:
        super().__init__()
        self.dead = False

    def set(self, key: str, value: Any) -> None:
        if not self.dead:
            super().set(key, value)

    def delete(self, key: str) -> None:
        if not self.dead:
            super().delete(key)


@dataclass(slots=True)
class Machine:
    """What a program can reach: the network, and the store that survives it."""

    world: World
    weather: Weather
    rng: random.Random
    store: MortalStore
    wires: list[Wire]

    def client(self, project: str) -> CdfClient:
        wire = Wire(self.world, project, self.weather, random.Random(self.rng.random()))
        self.wires.append(wire)
        return CdfClient(wire, project=project, clock=self.world.clock.now_ms, random=random.Random(self.rng.random()))


def run_process(
    world: World,
    program: Program,
    *,
    store: MortalStore,
    weather: Weather,
    rng: random.Random,
    crash: Callable[[], bool] | None = None,
) -> Any:
    """Run ``program`` to its end. Raises Crash if ``crash`` (asked at every step of the loop) said so."""
    machine = Machine(world, weather, rng, store, [])

    def on_step() -> None:
        if crash is not None and crash():
            _die(machine)
            world.note("*** the process is killed ***")
            raise Crash

    store.dead = False
    loop = VirtualLoop(start=world.clock.seconds, on_step=on_step)
    world.clock.loop = loop
    try:
        return run(program(machine), loop)
    finally:
        world.clock.seconds = loop.time()
        world.clock.loop = None
        _die(machine)


def _die(machine: Machine) -> None:
    machine.store.dead = True
    for wire in machine.wires:
        wire.dead = True
