"""Exploring a workflow by itself: started with some arguments, run to its end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flowy.activity import Activity
from flowy.workflow import Workflow
from flowy_sim.explore.stand_ins import let_stand_in
from flowy_sim.run import COMPLETED
from flowy_sim.runner import Runner


class WholeWorkflow:
    """A test of which nothing is known but the workflow: that it ends.

    What is found is what no order and no fault may bring about: that it gets stuck, decides
    otherwise than before, goes on for ever, or breaks an invariant.

    Args:
        workflow: its class.
        arguments: what its ``run`` gets.
        activities: their classes; stand-ins do their work.
        real: whether the activities do their work themselves.
        completes: whether it has to complete, too, whatever goes wrong.
    """

    def __init__(
        self,
        workflow: type[Workflow],
        arguments: Iterable[Any] = (),
        activities: Iterable[type[Activity]] = (),
        real: bool = False,
        completes: bool = False,
    ) -> None:
        """Keep them."""
        self.__name__ = workflow.__name__
        self._workflow = workflow
        self._arguments = list(arguments)
        self._activities = list(activities)
        self._real = real
        self._completes = completes

    def __call__(self, runner: Runner) -> None:
        """Run it to its end."""
        if not self._real:
            let_stand_in(runner.stubs, self._workflow, self._activities)
        run = runner(self._workflow, *self._arguments)
        if self._completes:
            assert run.status == COMPLETED, run.describe()
