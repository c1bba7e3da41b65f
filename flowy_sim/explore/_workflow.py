"""Exploring a workflow without a test: it is started with some arguments and run to its end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flowy.activity import Activity
from flowy.workflow import Workflow
from flowy_sim.testing import Runner
from flowy_sim.testing._default_stubs import DefaultStubs, activities_of, functions_of
from flowy_sim.testing._registry import children, type_of
from flowy_sim.testing._run import COMPLETED


class WorkflowTest:
    """A test that runs a workflow to its end and asserts nothing else.

    Exploring it finds what no workflow may do in any order and under any fault: get stuck, decide
    differently on replay, never end, or break an invariant.

    Args:
        workflow: its class.
        arguments: the arguments of its ``run``.
        workflows: classes among which its child workflows are looked up; other children are not
            run.
        activities: classes among which its activities are looked up.
        real: whether the activities found do their work; otherwise they are stubbed.
        completes: whether it must also complete, whatever goes wrong.

    Attributes:
        workflows: the workflow, its children, and theirs.
        activities: the activities that these call.
        stubbed: what is stubbed, such as ``resize 1`` and ``lambda thumbnail``.
    """

    def __init__(
        self,
        workflow: type[Workflow],
        arguments: Iterable[Any] = (),
        workflows: Iterable[type[Workflow]] = (),
        activities: Iterable[type[Activity]] = (),
        real: bool = False,
        completes: bool = False,
    ) -> None:
        self.__name__ = workflow.__name__
        self._workflow = workflow
        self._arguments = list(arguments)
        self._completes = completes
        self.workflows = _family(workflow, workflows)
        called = activities_of(self.workflows)
        known = {(each.flowy_type.name, each.flowy_type.version): each for each in activities}
        self.activities = [known[key] for key in called if key in known]
        self.stubbed = [" ".join(key) for key in called if not (real and key in known)]
        self.stubbed += [f"lambda {name}" for name in functions_of(self.workflows)]
        self._stubs = DefaultStubs(self.workflows, self.activities, real=real)

    def __call__(self, runner: Runner) -> None:
        """Run the workflow to its end."""
        self._stubs.add_to(runner.stubs)
        run = runner(self._workflow, *self._arguments)
        if self._completes:
            assert run.status == COMPLETED, run.describe()


def _family(workflow: type[Workflow], workflows: Iterable[type[Workflow]]) -> list[type[Workflow]]:
    """Return a workflow and all that it can start, directly or not.

    Children that a proxy names only by name and version are looked up in `workflows`.
    """
    known = {(each.flowy_type.name, each.flowy_type.version): each for each in workflows}
    family = [workflow]
    for member in family:  # The list grows meanwhile.
        for child in children(member):
            cls = child.workflow or known.get(type_of(child))
            if cls is not None and cls not in family:
                family.append(cls)
    return family
