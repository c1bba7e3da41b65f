"""Exploring a workflow by itself: started with some arguments, run to its end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flowy.activity import Activity
from flowy.workflow import Workflow
from flowy_sim.testing import Runner
from flowy_sim.testing._default_stubs import PlainStubs, asked_by, functions_of
from flowy_sim.testing._registry import children, type_of
from flowy_sim.testing._run import COMPLETED


class WholeWorkflow:
    """A test of which nothing is known but the workflow: that it ends.

    What is found is what no order and no fault may bring about: that it gets stuck, decides
    otherwise than before, goes on for ever, or breaks an invariant.

    Args:
        workflow: its class.
        arguments: what its ``run`` gets.
        workflows, activities: where those are that it may ask for; others are left alone.
        real: whether the activities do their work themselves; else stand-ins do.
        completes: whether it has to complete, too, whatever goes wrong.

    Attributes:
        workflows: it, and its children and theirs.
        activities: those that these ask for.
        stand_ins: what is stood in for, such as ``resize 1`` and ``lambda thumbnail``.
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
        """Find what it can ask for."""
        self.__name__ = workflow.__name__
        self._workflow = workflow
        self._arguments = list(arguments)
        self._completes = completes
        self.workflows = _family(workflow, workflows)
        asked = asked_by(self.workflows)
        known = {(each.flowy_type.name, each.flowy_type.version): each for each in activities}
        self.activities = [known[key] for key in asked if key in known]
        self.stand_ins = [" ".join(key) for key in asked if not (real and key in known)]
        self.stand_ins += [f"lambda {name}" for name in functions_of(self.workflows)]
        self._stubs = PlainStubs(self.workflows, self.activities, real=real)

    def __call__(self, runner: Runner) -> None:
        """Run it to its end."""
        self._stubs.add_to(runner.stubs)
        run = runner(self._workflow, *self._arguments)
        if self._completes:
            assert run.status == COMPLETED, run.describe()


def _family(workflow: type[Workflow], workflows: Iterable[type[Workflow]]) -> list[type[Workflow]]:
    """Return a workflow and those that it can start, which may be known by name alone."""
    known = {(each.flowy_type.name, each.flowy_type.version): each for each in workflows}
    family = [workflow]
    for member in family:  # grows on the way
        for child in children(member):
            cls = child.workflow or known.get(type_of(child))
            if cls is not None and cls not in family:
                family.append(cls)
    return family
