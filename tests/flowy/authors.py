"""Workflows under test, run to their end on a simulation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowy import ActivityProxy, Workflow, workflow

Script = Callable[[Any], Any]
"""The body of ``run``, given ``self``."""


def made(script: Script, name: str = "scripted", **members: Any) -> type[Workflow]:
    """A workflow whose ``run`` is a function, with further members such as proxies."""

    def run(self: Any, *args: Any) -> Any:
        return script(self, *args)

    cls = type(
        name.title(),
        (Workflow,),
        {
            "run": run,
            "one": ActivityProxy("one", 1),
            "two": ActivityProxy("two", 1),
            "handled": ActivityProxy("one", 1, error_handling=True),
            **members,
        },
    )
    return workflow(name, 1, "decisions")(cls)
