"""Decisions that depend on the process that makes them."""

from __future__ import annotations

import glob
import locale
import os
import socket
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zlib import crc32

from flowy_sim.testing import Runner
from tests.planted.bugs import planted
from tests.planted.steps import Charge, Shop, order

BANKS = frozenset({"ours", "theirs", "another"})

Choose = Callable[[Any], str]


def instead(good: Choose) -> Callable[[Choose], Choose]:
    """Plant a workflow that makes a choice in a bad way; its twin makes it in a good way."""

    def plant(bad: Choose) -> Choose:
        def test(runner: Runner, fixed: bool) -> None:
            choose = good if fixed else bad

            @order
            class Order(Shop):
                def run(self) -> Any:
                    return self.charge(choose(self)).result()

            runner.stubs(Charge, result="paid")
            assert runner(Order).result == "paid"

        test.__name__ = bad.__name__
        planted()(test)
        return bad

    return plant


def always_ours(self: Any) -> str:
    return "ours"


def by_the_workflow_id(self: Any) -> str:
    return str(crc32(self.workflow_id.encode()) % 3)


def the_first(self: Any) -> str:
    return min(BANKS)


def its_day(self: Any) -> str:
    return f"{self.now():%d}"


@instead(always_ours)
def the_bank_is_a_variable_of_the_environment(self: Any) -> str:
    return os.environ.get("BANK", "ours")


@instead(by_the_workflow_id)
def the_bank_depends_on_a_hash(self: Any) -> str:
    return str(hash(self.workflow_id) % 3)


@instead(by_the_workflow_id)
def the_bank_depends_on_an_address(self: Any) -> str:
    return str(id(self) % 3)


@instead(by_the_workflow_id)
def the_bank_depends_on_the_process(self: Any) -> str:
    return str(os.getpid() % 3)


@instead(by_the_workflow_id)
def the_bank_depends_on_the_machine(self: Any) -> str:
    return str((os.cpu_count() or 1) % 3)


@instead(always_ours)
def the_bank_depends_on_the_host(self: Any) -> str:
    return "ours" if socket.gethostname() else "theirs"


@instead(always_ours)
def the_bank_depends_on_the_folder(self: Any) -> str:
    return Path.cwd().name


@instead(always_ours)
def the_bank_is_named_by_a_file(self: Any) -> str:
    return next(iter(glob.glob("*.bank")), "ours")


@instead(its_day)
def the_day_is_that_of_the_time_zone(self: Any) -> str:
    return f"{self.now().astimezone():%d}"


@instead(its_day)
def the_day_is_that_of_the_machine(self: Any) -> str:
    return f"{datetime.fromtimestamp(self.now().timestamp()):%d} {time.tzname[0]}"


@instead(always_ours)
def the_bank_depends_on_the_language(self: Any) -> str:
    return str(locale.getlocale()[0])


@instead(the_first)
def the_first_of_a_set(self: Any) -> str:
    return next(iter(BANKS))


@instead(the_first)
def the_most_frequent_of_a_set(self: Any) -> str:
    votes = ["ours", "theirs", "another"]
    return max(set(votes), key=votes.count)


@instead(the_first)
def the_order_of_a_set_in_a_loop(self: Any) -> str:
    asked = ""
    for bank in BANKS - {"another"}:
        asked = asked or bank
    return asked


@instead(the_first)
def what_is_equal_keeps_the_order_of_a_set(self: Any) -> str:
    return sorted(BANKS.union(["anyone"]), key=len)[-2]
