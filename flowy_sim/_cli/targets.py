"""Targets: what the arguments of a command name, with its activities."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from flowy import ActivityProxy, Retry, workflow
from flowy._cli import parse_argument
from flowy._installation import install_command
from flowy._safe_text import safe_text
from flowy._workers import registration
from flowy._workers.registration import load_workflow, scan
from flowy.activity import Activity
from flowy.errors import ConfigurationError
from flowy.tutorial import SAMPLE, ImageCategorization, ImageError
from flowy.workflow import Workflow
from flowy_sim._simulation.stubs import Stubs
from flowy_sim.testing._registry import proxies, type_of

TUTORIAL = "flowy.tutorial:ImageCategorization"

_IDENTIFIER = r"[^\W\d]\w*"
_WORKFLOW = re.compile(rf"{_IDENTIFIER}(\.{_IDENTIFIER})*:{_IDENTIFIER}")
_FRAMES = 3


@dataclass(frozen=True, slots=True)
class Target:
    """A workflow to run.

    Attributes:
        workflow: its class.
        arguments: the arguments of its ``run``.
        activities, workflows: the activities and workflows that it can use.
        is_tutorial: whether it is the tutorial's workflow, because a photo was given.
        stubs: what answers for some of the activities; None for nothing.
    """

    workflow: type[Workflow]
    arguments: list[Any]
    activities: tuple[type[Activity], ...]
    workflows: tuple[type[Workflow], ...]
    is_tutorial: bool = False
    stubs: Stubs | None = None

    @property
    def called(self) -> list[str]:
        """The activities that the workflow calls, such as ``resize 1``."""
        types = dict.fromkeys(map(type_of, proxies(self.workflow)))
        return [f"{name} {version}" for name, version in types]

    @property
    def missing(self) -> list[str]:
        """The activities that were not found."""
        found = {str(cls.flowy_type) for cls in self.activities}
        return [each for each in self.called if each not in found]


def find(words: Sequence[str], modules: Sequence[str]) -> Target:
    """Find the workflow that the arguments of a command name.

    The first argument names a workflow if it has the form ``module:Class``, which neither a URL
    nor a Windows path has. Otherwise it is a photo for the tutorial's workflow. Without arguments,
    that workflow gets the sample.

    Args:
        words: the workflow and its arguments.
        modules: modules to search for activities, in addition to the workflow's package.

    Raises:
        click.ClickException: something cannot be found or imported.
    """
    if words and _WORKFLOW.fullmatch(words[0]):
        return _load(words[0], list(map(parse_argument, words[1:])), modules)
    photograph = _photograph(words[0]) if words else _sample()
    with tutorial_installed():
        target = _load(TUTORIAL, [photograph, *map(parse_argument, words[1:])], modules)
    return Target(
        target.workflow, target.arguments, target.activities, target.workflows, is_tutorial=True
    )


@contextmanager
def tutorial_installed() -> Iterator[None]:
    """Say what to install if the tutorial's workflow cannot be imported."""
    try:
        yield
    except _MissingModule as error:
        raise click.ClickException(
            f"the tutorial's workflow needs {error.missing}; install it: "
            f"{install_command('tutorial')}"
        ) from error


def imported(name: str) -> ModuleType:
    """Import a module.

    Raises:
        click.ClickException: it cannot be imported.
    """
    with _imports(name):
        scan(name)
    return sys.modules[name]


def found_at(path: str) -> object:
    """Return what a path names in a module; None if the path is not ``module:name``.

    Raises:
        click.ClickException: the module cannot be imported.
    """
    if not _WORKFLOW.fullmatch(path):
        return None
    module, _, name = path.partition(":")
    return getattr(imported(module), name, None)


def polling_code(path: str) -> Any:
    """Return the decider or worker that a path ``module:name`` names.

    Raises:
        click.ClickException: the path names no such code.
    """
    code = found_at(path)
    if not callable(code):
        raise click.UsageError(
            f"{path} is not a decider or worker; give module:name of a function or class that "
            "polls with an SWF client."
        )
    return code


def _load(path: str, arguments: list[Any], modules: Sequence[str]) -> Target:
    module_name = path.partition(":")[0]
    with _imports(module_name):
        workflow = load_workflow(path)
    activities: dict[type[Activity], None] = {}
    workflows: dict[type[Workflow], None] = {}
    # Where the class is imported from may be another package than where it is named.
    for name in dict.fromkeys((module_name, workflow.__module__)):
        # A top-level module has no package; then only the module is searched.
        package = sys.modules[name].__package__ or name
        with _imports(package):
            found = scan(package)
        activities.update(dict.fromkeys(found.activities))
        workflows.update(dict.fromkeys(found.workflows))
    for module in modules:
        with _imports(module):
            activities.update(dict.fromkeys(scan(module).activities))
    return Target(workflow, arguments, tuple(activities), tuple(workflows))


def _sample() -> str:
    from flowy.tutorial import SAMPLE

    return str(SAMPLE)


def _photograph(word: str) -> str:
    """Return the file or URL of a photo, or raise an error; the user probably meant a workflow."""
    shown = safe_text(word)
    if word.endswith(".py"):
        raise click.ClickException(
            f"{shown} is a Python file; name the workflow as module:Class, such as "
            f"{Path(word).stem}:Order"
        )
    if "://" in word or Path(word).is_file():
        return word
    if Path(word).is_dir():
        raise click.ClickException(f"{shown} is a folder; give one photo")
    raise click.ClickException(
        f"{shown} is neither a file nor a URL of a photo, nor a workflow in the form module:Class, "
        "such as shop.orders:Order"
    )


class _MissingModule(click.ClickException):
    """A module cannot be imported because another one is not installed."""

    def __init__(self, name: str, missing: str) -> None:
        super().__init__(f"the module {name!r} needs {missing!r}, which is not installed")
        self.missing = missing


@contextmanager
def _imports(name: str) -> Iterator[None]:
    """Turn an error of an import into a message; if code raised it, show where first."""
    try:
        yield
    except ConfigurationError as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and cause.name:
            if f"{name}.".startswith(f"{cause.name}."):
                raise click.ClickException(str(error)) from error
            raise _MissingModule(name, cause.name) from error
        if cause is not None:
            click.echo(where(cause, registration.__file__), err=True, nl=False)
        raise click.ClickException(str(error)) from error
    except SystemExit as error:
        raise click.ClickException(
            f"importing the module {name!r} exits the program; move the code that does so under "
            'if __name__ == "__main__":'
        ) from error


def where(error: BaseException, *machinery: str) -> str:
    """Return where an error was raised: its last frames, except those of the import system.

    Args:
        error: what was raised.
        machinery: parts of the names of further files whose frames are left out.
    """
    left_out = ("importlib", *machinery)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not any(part in frame.filename for part in left_out)
    ]
    *lines, _said = traceback.format_exception_only(error)  # Of a SyntaxError, also the place.
    return "".join([*traceback.format_list(frames[-_FRAMES:]), *lines])


@workflow("imagecateg", "showcase", "image_processing", execution_start_to_close=3600)
class PatientCategorization(ImageCategorization):
    """The workflow that ``run`` shows without arguments: it also tries ``resize`` again."""

    resize = ActivityProxy("resize", 1, retry=Retry(attempts=3, delay=30))


def showcase() -> Target:
    """Return the tutorial's workflow on a bad day: the disk is full at first.

    The photograph is really shrunk and filed; stubs say how much simulated time that takes.

    Raises:
        click.ClickException: what the tutorial needs is not installed.
    """
    with tutorial_installed():
        imported("flowy.tutorial")
    from flowy.tutorial.activities import PredominantColor, RenameImage, Resize

    stubs = Stubs()
    stubs(Resize, error=ImageError("the disk is full"), takes=15).then(
        function=Resize().run, takes=45
    )
    stubs(PredominantColor, function=PredominantColor().run, takes=70)
    stubs(RenameImage, function=RenameImage().run, takes=5)
    activities = (Resize, PredominantColor, RenameImage)
    return Target(
        PatientCategorization, [str(SAMPLE)], activities, (), is_tutorial=True, stubs=stubs
    )
