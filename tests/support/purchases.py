"""Workflows whose code the console asks for the signals that they wait for."""

from __future__ import annotations

import os
from typing import Any

from flowy import Workflow, workflow


@workflow("Purchase", "2", "orders")
class Purchase(Workflow):
    def run(self) -> Any:
        print("not for the server's output")
        return self.signal("approve").result()


@workflow("Refund", "2", "orders")
class Refund(Workflow):
    """Ends its process, or never returns."""

    def run(self) -> Any:
        if self.workflow_id == "ends":
            os._exit(3)
        while True:
            pass
