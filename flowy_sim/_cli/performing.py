"""Doing what ``flowy-sim run`` was told to do, from the words to the exit status."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import TextIO

import click
from rich.console import Console

from flowy._cli import INTERRUPTED, one_sentence
from flowy_sim._cli import reports
from flowy_sim._cli.live import LiveWorkflow, RunInterrupted
from flowy_sim._cli.progress import RunProgress
from flowy_sim._cli.run import LIVE_WORKERS, RunOptions
from flowy_sim._cli.services import SwfService, amazon, in_real_time, prepare_domain, service_at
from flowy_sim._cli.targets import Target, find
from flowy_sim._simulation.clock import RealClock
from flowy_sim._simulation.simulation import Simulation
from flowy_sim.testing import Runner
from flowy_sim.testing._history_files import save
from flowy_sim.testing._run import COMPLETED, EventListener, Run
from flowy_sim.testing._waiting import StuckError


def perform(words: tuple[str, ...], options: RunOptions) -> int:
    """Run a workflow and report on it.

    Args:
        words: the workflow and its arguments.
        options: what else was said.

    Returns:
        The exit status.

    Raises:
        click.ClickException: something that was given is wrong.
    """
    if options.verbose:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    output = sys.stdout
    # Where a program reads the output, what the user's code prints must go elsewhere.
    aside = redirect_stdout(sys.stderr) if options.as_json else nullcontext()
    with one_sentence(), aside:
        try:
            target = find(words, options.activities)
            next_steps = "" if words else reports.NEXT
            return Performance(target, options, output, next_steps).at(_service(options))
        except RunInterrupted as error:
            click.echo(_farewell(error.run, options), err=True)
            return INTERRUPTED


class Performance:
    """One run of a workflow, and the report on it.

    Args:
        target: what is run.
        options: what else was said.
        output: where the report goes.
        next_steps: what to say behind it.
    """

    def __init__(
        self, target: Target, options: RunOptions, output: TextIO, next_steps: str = ""
    ) -> None:
        """Get ready."""
        self._target = target
        self._options = options
        self._output = output
        self._console = Console(file=output, highlight=False)
        self._next_steps = next_steps

    def at(self, service: SwfService | None) -> int:
        """Run the workflow, report, and return the exit status.

        Args:
            service: where; None for a simulation on virtual time.
        """
        target, options = self._target, self._options
        if service is None:
            simulation = Simulation(seed=options.seed or 0)
            return self._run(lambda tell: _simulated(simulation, target, options, tell))
        prepare_domain(service)
        company = LiveWorkflow(service, target, options.workers or LIVE_WORKERS)
        if target.missing and options.remote:
            missing = ", ".join(target.missing)
            click.echo(f"Others have to work on {missing}. {reports.ELSEWHERE}", err=True)
        # The report is given before the workers are waited for.
        with company.staff:
            return self._run(company.run)

    def _run(self, work: Callable[[EventListener], Run]) -> int:
        began = time.monotonic()
        trouble = ""
        try:
            with self._progress() as tell:
                run = work(tell)
        except StuckError as error:
            hint = f"\n{reports.ELSEWHERE}" if self._target.missing else ""
            run, trouble = error.run, f"{error}{hint}"
        except RunInterrupted as error:
            self._save(error.run)
            raise
        self._report(run, time.monotonic() - began, trouble)
        return 0 if run.status == COMPLETED else 1

    @contextmanager
    def _progress(self) -> Iterator[EventListener]:
        """Show progress if there is a terminal, and nobody wants JSON."""
        if self._options.as_json or not self._output.isatty():
            yield lambda workflow_id, event: None
        else:
            with RunProgress(self._console) as progress:
                yield progress.tell

    def _report(self, run: Run, real_seconds: float, trouble: str) -> None:
        self._save(run)
        if self._options.as_json:
            click.echo(reports.as_json(run, real_seconds, trouble), file=self._output)
            return
        headline = trouble or reports.headline_of(run)
        if self._target.is_tutorial and run.status == COMPLETED:
            headline = f"Filed as {headline}"
        reports.show(
            self._console,
            run,
            real_seconds,
            headline=headline,
            details="" if self._target.is_tutorial else run.details,
            simulated=not (self._options.remote or self._options.realtime),
        )
        if self._options.history is not None:
            click.echo(f"The history is in {self._options.history}", file=self._output)
        if self._next_steps:
            click.echo(f"\n{self._next_steps}", file=self._output)

    def _save(self, run: Run) -> None:
        path = self._options.history
        if path is None:
            return
        try:
            save(path, run.history)
        except OSError as error:
            raise click.ClickException(
                f"the history cannot be saved: {path}: {error.strerror}"
            ) from error


def _service(options: RunOptions) -> SwfService | None:
    if options.aws:
        return amazon(options.region, options.domain)
    if options.endpoint_url is not None:
        return service_at(options.endpoint_url, options.region, options.domain)
    if options.realtime:
        return in_real_time(Simulation(seed=options.seed or 0, clock=RealClock()))
    return None


def _simulated(
    simulation: Simulation, target: Target, options: RunOptions, tell: EventListener
) -> Run:
    runner = Runner(
        simulation,
        activities=target.activities,
        workflows=target.workflows,
        workers=options.workers,
        on_event=tell,
    )
    return runner.run(target.workflow, *target.arguments)


def _farewell(run: Run, options: RunOptions) -> str:
    if not options.remote:
        return f"Interrupted while {run.workflow_id} was open."
    return (
        f"Interrupted. The execution {run.workflow_id} (run {run.run_id}) goes on in the domain "
        f"{options.domain}; to end it: aws swf terminate-workflow-execution "
        f"--domain {options.domain} --workflow-id {run.workflow_id}"
    )
