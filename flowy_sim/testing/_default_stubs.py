"""Default stubs: activities that do nothing and return the simplest value of their type.

They are used where a workflow is run without a test: by ``flowy-sim explore`` and by the strategies
for Hypothesis. The type is that which the activity's ``run`` is annotated with.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Sequence
from typing import Any

from flowy.activity import Activity
from flowy.workflow import Workflow
from flowy_sim._simulation.stub_answers import ACTIVITY, FUNCTION
from flowy_sim._simulation.stubs import NameAndVersion, Stubs
from flowy_sim.testing._possible import simplest_value
from flowy_sim.testing._registry import functions, implementations, proxies, type_of


class DefaultStubs:
    """Stubs of all activities and Lambda functions that some workflows can call.

    The results are computed once, to be added to the stubs of many runs. Lambda functions return
    None.

    Args:
        workflows: the workflows' classes.
        activities: the classes of activities that proxies declare only by name and version.
        real: whether activities do their work, so that only Lambda functions are stubbed.
        any_result: whether exploring also tries all other results of their types.
    """

    def __init__(
        self,
        workflows: Sequence[type[Workflow]],
        activities: Iterable[type[Activity]] = (),
        *,
        real: bool = False,
        any_result: bool = False,
    ) -> None:
        self._any_result = any_result
        classes = (*activities, *implementations(workflows))
        known = {(cls.flowy_type.name, cls.flowy_type.version): cls for cls in classes}
        called = () if real else activities_of(workflows)
        self._classes = {key: known.get(key) for key in called}
        self._results = {
            key: None if cls is None else simplest_value(_return_hint(cls))
            for key, cls in self._classes.items()
        }
        self._functions = functions_of(workflows)

    def add_to(self, stubs: Stubs) -> None:
        """Add a stub of everything that has none yet."""
        for key, cls in self._classes.items():
            if stubs.find(ACTIVITY, *key) is None:
                named = key if cls is None else (cls,)
                stubs(*named, result=self._results[key], any_result=self._any_result)
        for name in self._functions:
            if stubs.find(FUNCTION, name, "") is None:
                stubs.lambda_function(name, result=None)


def functions_of(workflows: Iterable[type[Workflow]]) -> list[str]:
    """Return the names of the Lambda functions that workflows can call."""
    return list(dict.fromkeys(name for cls in workflows for name in functions(cls)))


def activities_of(workflows: Iterable[type[Workflow]]) -> list[NameAndVersion]:
    """Return the types of the activities that workflows can call."""
    return list(dict.fromkeys(type_of(each) for cls in workflows for each in proxies(cls)))


def _return_hint(activity: type[Activity]) -> Any:
    try:
        return typing.get_type_hints(activity.run).get("return")
    except (NameError, TypeError):
        return None
