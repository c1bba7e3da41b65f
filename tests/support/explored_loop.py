"""A program that explores a test with poll loops and threads, and prints what it has found."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from flowy_sim.explore import find
from flowy_sim.faults import Throttled, WorkerDies
from flowy_sim.testing import Runner
from tests.support.poll_loops import Client, decider, register, start, work


def worker(client: Client) -> None:
    def serve() -> None:
        while True:
            with suppress(Exception):
                work(client, "work")

    threading.Thread(target=serve, daemon=True).start()
    while True:
        time.sleep(3600)


def order(runner: Runner) -> None:
    runner.loop(decider(("a", "work"), ("b", "work")), "decide")
    runner.loop(worker, "work")
    client = runner.simulation.client()
    register(client)
    runner.finish(start(client))


if __name__ == "__main__":
    found = find(order, faults=[Throttled(), WorkerDies()], runs=60, seconds=600)
    print(found.runs, found.states, found.share, sorted(found.endings.items()))
