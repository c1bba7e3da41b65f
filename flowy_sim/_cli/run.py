"""The command ``flowy-sim run``. Slow imports are made only when it runs."""

from __future__ import annotations

import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flowy_sim._cli import options, program
from flowy_sim._cli.options import read_stubs
from flowy_sim._cli.run_report import RunReport

if TYPE_CHECKING:
    from flowy_sim._cli.live import SwfService
    from flowy_sim._cli.targets import Target
    from flowy_sim.testing import Runner
    from flowy_sim.testing._run import EventListener, Run

_DOMAIN = "flowy_tutorial"

LIVE_WORKERS = 2
"""The number of workers on each task list in real time by default."""

_EXAMPLES = """\b
Examples:
  flowy-sim run
  flowy-sim run https://example.com/photo.jpg 200
  flowy-sim run shop.orders:Order 42 '{"gift": true}' --history order.json
  flowy-sim run shop.orders:Order 42 --stub 'charge:1=result:"paid"'
  flowy-sim run shop.orders:Order 42 --aws --region eu-west-1 --domain shop
  flowy-sim run --decider shop:decide --worker shop:work --start order:1
  flowy-sim run shop.orders:Refund -- -5    arguments that begin with a dash

The exit status is 0 only if the execution completed; it is 2 for wrong options."""

_REMARK = """\
The photo was really shrunk and filed. The minutes that it took are simulated,
and so is the full disk: the first try to shrink the photo failed, and the next
one followed half a minute later.

Try next:
  flowy-sim run photo.jpg         your own photo, a file or a URL
  flowy-sim run photo.jpg 400     with a larger thumbnail
  flowy-sim run --json            output for programs
  flowy-sim run --history FILE    all events, in a file
  flowy-sim run shop:Order 42     your own workflow: module, class, arguments
  flowy-sim run --help            all options
FLOWY_TUTORIAL_RESULTS sets another folder for the pictures, or
s3://bucket/prefix."""

_HOW_TO_SIGNAL = "To send a signal, add --signal NAME, or NAME=VALUE@SECONDS."
_MAYBE_A_SIGNAL = ("waits for the signal", "nothing is scheduled")
_MAYBE_AN_ACTIVITY = "neither implemented nor stubbed"

_WHERE_ACTIVITIES_ARE = (
    "Activities are looked up in the workflow's package; add modules with --activities MODULE."
)
_HOW_TO_STUB = "To stub one whose code is elsewhere, add --stub NAME:VERSION=result:JSON."


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions(program.SharedOptions):
    """The options of the command."""

    stubs: tuple[str, ...]
    history: Path | None
    seed: int | None
    realtime: bool
    endpoint_url: str | None
    aws: bool
    domain: str | None
    verbose: bool

    def check(self) -> None:
        """Refuse options that exclude each other, and a file that cannot be written.

        Raises:
            click.UsageError: there are such options.
        """
        service = "--aws" if self.aws else "--endpoint-url"
        if self.aws and self.endpoint_url is not None:
            raise click.UsageError(
                "--aws and --endpoint-url both name a service; give one of them."
            )
        if (self.remote or self.realtime) and (
            self.deciders or self.signals or self.stubs or self.cancel or self.freeze
        ):
            raise click.UsageError(
                "--decider, --stub, --signal, --cancel and --freeze are for simulated time; leave "
                f"{service if self.remote else '--realtime'} out."
            )
        if self.remote and self.realtime:
            raise click.UsageError(f"{service} implies real time; leave --realtime out.")
        if self.remote and self.seed is not None:
            raise click.UsageError(f"--seed is for simulations; leave it out with {service}.")
        if not self.remote and (self.region or self.domain) and not self.deciders:
            raise click.UsageError(
                "--domain and --region are for a service; add --aws or --endpoint-url."
            )
        if self.redact and self.report is None:
            raise click.UsageError("--redact is for the page of --report; add --report FILE.")
        for name, path in (("history", self.history), ("report", self.report)):
            if path is not None and not path.absolute().parent.is_dir():
                raise click.UsageError(f"The folder of the {name} does not exist: {path}")

    @property
    def remote(self) -> bool:
        """Whether the workflow runs at a service outside of this process."""
        return self.aws or self.endpoint_url is not None


@click.command(short_help="Run a workflow to its end.", epilog=_EXAMPLES)
@options.words
@options.activities
@program.options
@click.option(
    "--signal",
    "signals",
    metavar="NAME[=VALUE][@SECONDS]",
    multiple=True,
    help="Signal to send after simulated seconds, at once by default. VALUE is JSON, or else text; "
    "with --decider it is text.",
)
@options.stub
@options.as_json
@click.option(
    "--history",
    metavar="FILE",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="File to save the history to, as GetWorkflowExecutionHistory returns it.",
)
@options.report("with the timeline and all events")
@options.redact
@click.option("--seed", type=int, help="Seed of run IDs and tokens.  [default: 0]")
@options.whole_number(
    "--workers",
    "Number of workers on each task list.  [default: as many as there are tasks; in real time "
    f"{LIVE_WORKERS}]",
    least=1,
)
@options.freeze
@click.option("--realtime", is_flag=True, help="Run in real time, with worker threads.")
@click.option("--endpoint-url", metavar="URL", help="URL of a service to run the workflow at.")
@click.option("--aws", is_flag=True, help="Run the workflow at Amazon SWF, with your credentials.")
@options.domain_option(
    f"Domain at the service, or of --decider.  [default: {_DOMAIN}; of --decider: {program.DOMAIN}]"
)
@options.region_option("AWS region, also of --decider, if the environment does not set it.")
@click.option("-v", "--verbose", is_flag=True, help="Log the work of workers to standard error.")
def run(words: tuple[str, ...], **given: Any) -> None:
    """Run a workflow to its end, with decider, workers and Amazon SWF in this process.

    WORKFLOW is module:Class. Its package is searched for activities. Each ARGUMENT is read as
    JSON, or as text if it isn't JSON. Time is simulated: it is skipped while nothing happens, so
    a year takes milliseconds.

    Instead of module:Class you can give a file or a URL: a photo for the tutorial's workflow.
    Without arguments, that workflow runs on a sample photo, with a simulated failure.
    """
    options = RunOptions(**given)
    options.check()
    sys.exit(_perform(words, options))


def _perform(words: tuple[str, ...], options: RunOptions) -> int:
    """Run a workflow and report on it; return the exit status.

    Raises:
        click.ClickException: the workflow cannot be run.
    """
    from flowy._cli import INTERRUPTED, errors_as_messages
    from flowy._safe_text import log_to_stderr
    from flowy_sim._cli.live import RunInterrupted
    from flowy_sim._cli.targets import find, showcase

    if options.verbose:
        log_to_stderr("%(asctime)s %(name)s %(message)s")
    output = sys.stdout
    # With --json, what the user's code prints must not be in the output.
    aside = redirect_stdout(sys.stderr) if options.as_json else nullcontext()
    with errors_as_messages(), aside:
        try:
            signals = map(program.read_signal, options.signals)
            loops = program.program(options, signals)
            program.check_packages(loops=loops is not None, freeze=options.freeze)
            if loops is not None and words:
                raise click.UsageError("Give a WORKFLOW or --decider, not both.")
            target, remark = None, ""
            if loops is None and not words and not (options.remote or options.realtime):
                target = showcase()
                remark = _REMARK
            elif loops is None:
                target = find(words, options.activities)
            report = RunReport(
                output=output,
                as_json=options.as_json,
                history=options.history,
                page=options.report,
                redact=options.redact,
                simulated=not (options.remote or options.realtime),
                is_tutorial=target is not None and target.is_tutorial,
                remark=remark,
            )
            return _Run(target, loops, options, report).perform()
        except RunInterrupted as error:
            click.echo(_farewell(error.run, options), err=True)
            return INTERRUPTED


class _Run:
    """One run of a workflow, and the report on it.

    Args:
        target: the workflow that is run; None for a program.
        loops: the program that is run: deciders with their own poll loops. None for a workflow.
        options: the options.
        report: how it is reported.
    """

    def __init__(
        self,
        target: Target | None,
        loops: program.LoopProgram | None,
        options: RunOptions,
        report: RunReport,
    ) -> None:
        from flowy_sim.testing._coverage import StubUsage

        self._target = target
        self._loops = loops
        self._options = options
        self._report = report
        self._definitions = read_stubs(options.stubs)
        self._uses = StubUsage()

    def perform(self) -> int:
        """Run the workflow, report on it, and return the exit status."""
        from flowy_sim._cli.live import LiveWorkflow, prepare_domain

        target, options = self._target, self._options
        service = _service(options)
        if service is None or target is None:
            return self._run_and_report(self._simulate)
        prepare_domain(service)
        live = LiveWorkflow(service, target, options.workers or LIVE_WORKERS)
        if target.missing and options.remote:
            missing = ", ".join(target.missing)
            click.echo(
                f"Other workers have to implement {missing}. {_WHERE_ACTIVITIES_ARE}", err=True
            )
        # The report is printed before the workers are waited for.
        with live.workers:
            return self._run_and_report(live.run)

    def _simulate(self, on_event: EventListener) -> Run:
        from flowy._cli import parse_argument
        from flowy_sim._clients.simulation import Simulation
        from flowy_sim._server.stub_definitions import add_stub
        from flowy_sim.testing import Runner, Stubs

        target, options = self._target, self._options
        simulation = Simulation(seed=options.seed or 0, region=options.region)
        stubs = target.stubs if target is not None and target.stubs else Stubs()
        for definition in self._definitions:
            add_stub(stubs, definition)
        if target is None:
            assert self._loops is not None
            runner = Runner(
                simulation,
                stubs=stubs,
                workers=options.workers,
                on_event=on_event,
                domain=options.domain or program.DOMAIN,
                freeze=options.freeze,
            )
            with _errors_of_loops(runner):
                run = self._loops(runner)
            self._uses.note(stubs, runner.stub_dispatch.called)
            return run
        runner = Runner(
            simulation,
            activities=target.activities,
            workflows=target.workflows,
            stubs=stubs,
            workers=options.workers,
            on_event=on_event,
            freeze=options.freeze,
        )
        execution = runner.start(target.workflow, *target.arguments)
        signals = map(program.read_signal, options.signals)
        cancel = None if options.cancel is None else program.read_cancel(options.cancel)
        program.send_later(runner, execution, signals, cancel, parse_argument)
        run = runner.finish(execution)
        self._uses.note(stubs, runner.stub_dispatch.called)
        return run

    def _run_and_report(self, work: Callable[[EventListener], Run]) -> int:
        from flowy_sim._cli.live import RunInterrupted
        from flowy_sim.testing._run import COMPLETED, StuckError

        began = time.monotonic()
        problem = ""
        try:
            with self._progress() as on_event:
                run = work(on_event)
        except StuckError as error:
            run, problem = error.run, f"{error}{self._hint(str(error))}"
        except RunInterrupted as error:
            self._report.save(error.run)
            raise
        self._report.write(run, time.monotonic() - began, problem)
        if self._definitions:
            for sentence in self._uses.unused():
                click.echo(f"Warning: {sentence}.", err=True)
        return 0 if run.status == COMPLETED else 1

    def _hint(self, explanation: str) -> str:
        """Return what to do about an execution that waits for something that will not come."""
        is_signal = any(words in explanation for words in _MAYBE_A_SIGNAL)
        hints = [_HOW_TO_SIGNAL] if is_signal and not self._options.realtime else []
        is_activity = _MAYBE_AN_ACTIVITY in explanation or not is_signal
        if is_activity and self._target is not None and self._target.missing:
            hints += [_WHERE_ACTIVITIES_ARE, _HOW_TO_STUB]
        return "".join(f"\n{hint}" for hint in hints)

    @contextmanager
    def _progress(self) -> Iterator[EventListener]:
        """Show progress on a terminal, except with --json."""
        from flowy_sim._cli.progress import RunProgress

        if self._report.as_json or not self._report.output.isatty():
            yield lambda workflow_id, event: None
        else:
            with RunProgress(self._report.console()) as progress:
                yield progress.update


@contextmanager
def _errors_of_loops(runner: Runner) -> Iterator[None]:
    """End the program with the place of an error in a decider or worker, and a message."""
    from botocore import __path__ as botocore

    from flowy._client import fault_message
    from flowy.errors import FlowyError
    from flowy_sim import __path__ as simulator
    from flowy_sim._cli.targets import where
    from flowy_sim.testing import StuckError

    try:
        yield
    except (FlowyError, StuckError):
        raise
    except Exception as error:
        click.echo(where(error, *botocore, *simulator), err=True, nl=False)
        *_, said = traceback.format_exception_only(error)
        unknown = re.match("Unknown domain: (.*)", fault_message(error))
        hint = "" if unknown is None else _other_place(runner, unknown[1])
        raise click.ClickException(f"a decider or worker fails: {said.rstrip()}{hint}") from error


def _other_place(runner: Runner, domain: str) -> str:
    """Return what to do about code that names an unknown domain; may be empty."""
    from flowy_sim.testing._other_places import advice_on_domain, advice_on_region

    if domain != runner.domain:
        return f"\n{advice_on_domain(runner.domain, domain)}"
    own = runner.simulation.region
    others = [each.region for each in runner.simulation.host.engines if each.region != own]
    return f"\nIt calls {others[0]}; {advice_on_region(own, others[0])}" if others else ""


def _service(options: RunOptions) -> SwfService | None:
    """Return where the workflow runs; None for a simulation in virtual time."""
    from flowy_sim._cli.live import amazon, in_real_time, service_at

    if options.aws:
        return amazon(options.region, options.domain or _DOMAIN)
    if options.endpoint_url is not None:
        return service_at(options.endpoint_url, options.region, options.domain or _DOMAIN)
    return in_real_time(options.seed or 0) if options.realtime else None


def _farewell(run: Run, options: RunOptions) -> str:
    from flowy._safe_text import safe_text

    workflow_id = safe_text(run.workflow_id)
    if not options.remote:
        return f"Interrupted while {workflow_id} was open."
    domain = options.domain or _DOMAIN
    return (
        f"Interrupted. The execution {workflow_id} (run {run.run_id}) continues in the domain "
        f"{domain}; to end it: aws swf terminate-workflow-execution "
        f"--domain {domain} --workflow-id {workflow_id}"
    )
