"""Runners on clocks that run by themselves."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from flowy import Workflow, first, workflow
from flowy_sim import RealClock, ScaledClock, Simulation
from flowy_sim.testing import Runner, StuckError


@workflow("waits", 1, "waiting")
class Waits(Workflow):
    def run(self, seconds: int = 0) -> object:
        signal = self.signal("go")
        if seconds:
            timer = self.timer(seconds)
            return "late" if first(signal, timer) is timer else signal.result()
        return signal.result()


def run_and_signal(clock: RealClock, seconds: int) -> object:
    """Send a signal from another thread while the runner waits."""
    simulation = Simulation(clock=clock)
    runner = Runner(simulation)
    client = simulation.client()
    execution = runner.start(Waits, seconds)

    def signal() -> None:
        while not simulation.engine().executions[execution.run_id].last_completed_start:
            time.sleep(0.001)
        client.signal_workflow_execution(
            domain=runner.domain, workflowId=execution.workflow_id, signalName="go", input='"now"'
        )

    thread = threading.Thread(target=signal)
    thread.start()
    ended = runner.finish(execution)
    thread.join()
    return ended.result


@pytest.mark.parametrize("seconds", [0, 300])
def test_a_signal_from_another_thread_wakes_a_runner_on_a_real_clock(seconds: int) -> None:
    began = time.monotonic()
    assert run_and_signal(RealClock(), seconds) == "now"
    assert time.monotonic() - began < 300


def test_what_another_process_sends_wakes_a_runner_on_a_real_clock() -> None:
    simulation = Simulation(clock=RealClock())
    runner = Runner(simulation)
    client = simulation.client()
    execution = runner.start(Waits)
    program = "import sys; sys.stdin.readline(); print('\"from there\"', flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None

        def relay() -> None:
            assert process.stdout is not None
            client.signal_workflow_execution(
                domain=runner.domain,
                workflowId=execution.workflow_id,
                signalName="go",
                input=process.stdout.readline().strip(),
            )

        thread = threading.Thread(target=relay)
        thread.start()
        print(file=process.stdin, flush=True)
        assert runner.finish(execution).result == "from there"
        thread.join()


def test_a_runner_on_a_real_clock_is_stuck_when_no_thread_can_wake_it() -> None:
    with pytest.raises(StuckError, match="signal 'go'"):
        Runner(Simulation(clock=RealClock())).run(Waits)


def test_a_runner_on_a_scaled_clock_waits_for_its_timer() -> None:
    assert Runner(Simulation(clock=ScaledClock(3600))).run(Waits, 600).result == "late"
