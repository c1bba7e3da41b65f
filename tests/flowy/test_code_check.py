"""This module plays an author's module: it imports the same things in several ways."""

from __future__ import annotations

import datetime as dates
import functools
import glob
import heapq
import itertools
import locale
import os
import random
import secrets
import socket
import time
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from datetime import date, datetime
from os import environ
from pathlib import Path
from random import choice, randint
from time import monotonic as tick
from time import time as now
from typing import Any, ClassVar
from uuid import UUID, uuid4, uuid5

import pytest
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st

from flowy import FlowyError, UnrepeatableError, Workflow
from flowy._determinism.code_check import check, unrepeatable_calls
from flowy.tutorial.workflows import ImageCategorization


def of(run: Callable[..., Any], **members: Any) -> type[Workflow]:
    return type("Example", (Workflow,), {"run": run, **members})


def named(run: Callable[..., Any], **members: Any) -> list[tuple[str, str]]:
    return [(error.what, error.instead) for error in unrepeatable_calls(of(run, **members))]


COLOURS = frozenset({"red", "blue"})


class Forbidden:
    """Each method is the ``run`` of a workflow that calls what its name and result say."""

    def a_clock_by_its_module(self) -> Any:
        return "time.time()", "self.now()", time.time()

    def a_clock_by_its_own_name(self) -> Any:
        return "now()", "self.now()", now()

    def another_clock(self) -> Any:
        return "tick()", "self.now()", tick()

    def a_date_of_a_module(self) -> Any:
        return "dates.datetime.now()", "self.now()", dates.datetime.now(dates.UTC)

    def a_date_of_a_class(self) -> Any:
        return "datetime.utcnow()", "self.now()", [str(day) for day in [datetime.utcnow()]]

    def a_day(self) -> Any:
        return "date.today()", "self.now()", f"{date.today():%Y}"

    def a_local_time(self) -> Any:
        return "time.localtime()", "self.now()", time.localtime()

    def chance(self) -> Any:
        return "random.random()", "self.random", random.random()

    def chance_by_its_own_name(self) -> Any:
        return "choice()", "self.random", choice([1, 2])

    def chance_from_a_generator_without_a_seed(self) -> Any:
        return "random.Random()", "self.random", random.Random().random()

    def an_id(self) -> Any:
        return "uuid.uuid4()", "self.uuid()", str(uuid.uuid4())

    def an_id_by_its_own_name(self) -> Any:
        return "uuid4()", "self.uuid()", {uuid4(): 1}

    def random_bytes(self) -> Any:
        return "os.urandom()", "self.side_effect()", os.urandom(4)

    def a_secret(self) -> Any:
        return "secrets.token_hex()", "self.side_effect()", secrets.token_hex()

    def a_file(self) -> Any:
        with open(__file__) as file:
            return "open()", "an activity", file.name

    def a_folder(self) -> Any:
        return "os.listdir()", "an activity", os.listdir(".")

    def a_variable_of_the_environment(self) -> Any:
        return "os.environ", "an argument", os.environ.get("HOME")

    def a_variable_by_its_own_name(self) -> Any:
        return "environ", "an argument", environ["PATH"]

    def a_variable_by_a_function(self) -> Any:
        return "os.getenv()", "an argument", os.getenv("HOME")

    def a_process(self) -> Any:
        return "os.getpid()", "self.side_effect()", os.getpid()

    def a_folder_of_the_process(self) -> Any:
        return "os.getcwd()", "self.side_effect()", os.getcwd()

    def a_machine(self) -> Any:
        return "os.cpu_count()", "self.side_effect()", os.cpu_count()

    def a_host(self) -> Any:
        return "socket.gethostname()", "self.side_effect()", socket.gethostname()

    def files(self) -> Any:
        return "glob.glob()", "an activity", glob.glob("*")

    def a_path(self) -> Any:
        return "Path('.').iterdir()", "an activity", Path(".").iterdir()

    def a_path_of_the_process(self) -> Any:
        return "Path.cwd()", "an activity", Path.cwd()

    def a_hash(self) -> Any:
        return "hash()", "hashlib", hash("lamp")

    def an_address(self) -> Any:
        return "id()", "self.uuid()", id(self)

    def a_local_time_of_another(self) -> Any:
        day = datetime.fromtimestamp(0, dates.UTC)
        return "day.astimezone()", "astimezone(datetime.UTC)", day.astimezone()

    def a_local_time_of_a_number(self) -> Any:
        return (
            "datetime.fromtimestamp()",
            "fromtimestamp(…, UTC)",
            datetime.fromtimestamp(0),
        )

    def a_time_zone(self) -> Any:
        return "time.tzname", "an argument", time.tzname

    def a_locale(self) -> Any:
        return "locale.getlocale()", "an argument", locale.getlocale()

    def a_set(self) -> Any:
        found = dict.fromkeys({"lamp", "table"})
        return "the order of the set {'lamp', 'table'}", "sorted()", found

    def a_set_of_a_name(self) -> Any:
        names = set("lamp")
        for name in names:
            return "the order of the set names", "sorted()", name
        return None

    def a_frozen_set(self) -> Any:
        for name in frozenset(["lamp", "table"]):
            return "the order of the set frozenset(['lamp', 'table'])", "sorted()", name
        return None

    def a_set_of_the_module(self) -> Any:
        return "the order of the set COLOURS", "sorted()", [name.upper() for name in COLOURS]

    def a_set_sorted_by_length(self) -> Any:
        names = {"lamp", "table", "sofa"}.union(["oven"])
        return "the order of the set names", "sorted()", sorted(names, key=len)

    def the_most_frequent(self) -> Any:
        votes = ["lamp", "table", "lamp"]
        most = max(set(votes), key=votes.count)
        return "the order of the set set(votes)", "sorted()", most

    def a_list_of_a_set(self) -> Any:
        one, other = set("lamp"), set("table")
        return (
            "the order of the set set('lamp') | set('table')",
            "sorted()",
            [one, other, list(set("lamp") | set("table"))],
        )

    def a_text_of_a_set(self) -> Any:
        return "the order of the set {'b', 'a'}", "sorted()", ", ".join({"b", "a"})

    def an_annotated_set(self, names: set[str] = COLOURS) -> Any:
        return "the order of the set names", "sorted()", [*names]

    def one_of_a_set(self) -> Any:
        names = {"a", "b"}
        names.add("c")
        return "the order of the set names", "sorted()", names.pop()

    def common_keys(self) -> Any:
        one, other = {"a": 1}, {"a": 2}
        for name in one.keys() & other.keys():
            return "the order of the set one.keys() & other.keys()", "sorted()", name
        return None

    def sleep(self) -> Any:
        time.sleep(0)
        return "time.sleep()", "self.sleep()"

    def a_clock_imported_within(self) -> Any:
        import time as clock

        return "clock.time()", "self.now()", clock.time()

    def an_id_imported_within(self) -> Any:
        from uuid import uuid1 as fresh

        return "fresh()", "self.uuid()", fresh()

    def with_arguments_in_a_list(self) -> Any:
        bounds = (1, 2)
        return "randint()", "self.random", randint(*bounds)

    def in_a_function_within(self) -> Any:
        def clock() -> float:
            return time.time()

        return "time.time()", "self.now()", clock()

    def in_a_helper(self) -> Any:
        return "time.time()", "self.now()", helper()

    def in_a_helper_behind_a_helper(self) -> Any:
        return "time.time()", "self.now()", helper_of_helper(3)

    def in_the_constructor_of_a_class(self) -> Any:
        return "uuid4()", "self.uuid()", Numbered()

    def a_list_of_the_module(self) -> Any:
        SEEN.append("lamp")
        return "changing SEEN, which all executions share,", "an attribute of self"

    def an_item_of_the_module(self) -> Any:
        COUNTS["lamp"] = 1 + COUNTS["lamp"]
        return "changing COUNTS, which all executions share,", "an attribute of self"

    def an_item_of_an_item(self) -> Any:
        BY_NAME["lamp"].append(1)
        return "changing BY_NAME['lamp'], which all executions share,", "an attribute of self"

    def a_count_of_the_module(self) -> Any:
        COUNTS["lamp"] += 1
        return "changing COUNTS, which all executions share,", "an attribute of self"

    def an_item_that_is_deleted(self) -> Any:
        del COUNTS["lamp"]
        return "changing COUNTS, which all executions share,", "an attribute of self"

    def a_queue_of_the_module(self) -> Any:
        found = LAST.pop() if LAST else None
        return "changing LAST, which all executions share,", "an attribute of self", found

    def a_heap_of_the_module(self) -> Any:
        heapq.heappush(SEEN, "lamp")
        return "changing SEEN, which all executions share,", "an attribute of self"

    def a_number_of_the_module(self) -> Any:
        number = next(NUMBERS)
        return "changing NUMBERS, which all executions share,", "an attribute of self", number

    def an_exhausted_generator(self) -> Any:
        rows = [row + 1 for row in ROWS]
        return "changing ROWS, which all executions share,", "an attribute of self", rows

    def a_list_of_a_class(self) -> Any:
        Shared.items.append(1)
        return "changing Shared.items, which all executions share,", "an attribute of self"

    def a_number_of_a_class(self) -> Any:
        Shared.count += 1
        return "changing Shared.count, which all executions share,", "an attribute of self"

    def a_variable_of_another_module(self) -> Any:
        glob.last = "lamp"  # type: ignore[attr-defined]
        return "changing glob.last, which all executions share,", "an attribute of self"

    def a_change_in_a_helper(self) -> Any:
        remember("lamp")
        return "changing SEEN, which all executions share,", "an attribute of self"

    def a_global_variable(self) -> Any:
        global LATEST
        LATEST = "lamp"
        return "the global variable LATEST", "an argument"

    def in_a_text_at_the_margin(self) -> Any:
        """
        Some authors write this.
        """
        return "now()", "self.now()", now()


SEEN: list[Any] = []
COUNTS = Counter("lamp")
BY_NAME: defaultdict[str, list[int]] = defaultdict(list)
LAST: deque[str] = deque()
NUMBERS = itertools.count()
ROWS = (row for row in range(3))
LATEST = ""
TABLES: dict[str, list[str]] = {}


class Shared:
    items: ClassVar[list[int]] = []
    count = 0


def remember(name: str) -> None:
    SEEN.extend([name])


def helper() -> float:
    return time.time()


@functools.cache
def helper_of_helper(depth: int) -> float:
    return helper_of_helper(depth - 1) if depth else helper()


class Numbered:
    def __init__(self) -> None:
        self.number = uuid4()


def asks(self: Any) -> str:
    return input("Go on? ")


METHODS = [method for name, method in vars(Forbidden).items() if not name.startswith("_")]


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
@pytest.mark.parametrize("run", METHODS, ids=lambda run: run.__name__)
def test_unrepeatable_calls_are_found_with_what_to_use_instead(run: Any) -> None:
    what, instead, *_ = run(Forbidden())
    assert named(run) == [(what, instead)]


def test_input_from_a_person_is_found() -> None:
    assert named(asks) == [("input()", "a signal")]


def test_the_error_names_file_and_line() -> None:
    def run(self: Any) -> float:
        started = 1.0

        return started + time.time()

    with pytest.raises(UnrepeatableError) as caught:
        check(of(run))
    line = run.__code__.co_firstlineno + 3
    assert (caught.value.file, caught.value.line) == (__file__, line)
    assert str(caught.value) == (
        f"{__file__}, line {line}: time.time() in the run of a workflow, which is replayed for "
        "each decision; use self.now() instead"
    )
    assert isinstance(caught.value, FlowyError)


def test_all_places_are_found_in_order() -> None:
    def run(self: Any) -> Any:
        if time.time() > 5:
            return [random.random() for _ in range(2)]
        return {uuid4(): now()}

    assert [what for what, _ in named(run)] == [
        "time.time()",
        "random.random()",
        "now()",
        "uuid4()",
    ]


def test_methods_of_the_workflow_are_read_too() -> None:
    def run(self: Any) -> Any:
        return self.pick(), self.stamp(), self.roll()

    def pick(self: Any) -> Any:
        return self.deeper()

    def deeper(self: Any) -> Any:
        return random.random()

    found = named(
        run,
        pick=pick,
        deeper=deeper,
        stamp=classmethod(lambda cls: 1),
        roll=staticmethod(helper),
    )
    assert found == [("time.time()", "self.now()"), ("random.random()", "self.random")]


def test_an_inherited_run_is_read() -> None:
    class Base(Workflow):
        def run(self) -> float:
            return self.step()

        def step(self) -> float:
            return 1.0

    class Derived(Base):
        def step(self) -> float:
            return time.time()

    assert unrepeatable_calls(Base) == []
    assert [error.what for error in unrepeatable_calls(Derived)] == ["time.time()"]


def test_what_is_called_by_super_is_read() -> None:
    class Base(Workflow):
        def run(self) -> float:
            return self.step() + self.other()

        def step(self) -> float:
            return 1.0

        def other(self) -> float:
            return random.random()

    class Middle(Base):
        def step(self) -> float:
            return time.time()

    class Derived(Middle):
        def run(self) -> float:
            return super().run()

        def step(self) -> float:
            return super().step()

        def other(self) -> float:
            return 2.0

    class Orphan(Workflow):
        def run(self) -> float:
            return float(super().missing())  # type: ignore[misc]

    assert [error.what for error in unrepeatable_calls(Derived)] == ["time.time()"]
    assert [error.what for error in unrepeatable_calls(Middle)] == [
        "random.random()",
        "time.time()",
    ]
    assert unrepeatable_calls(Orphan) == []


def test_state_of_the_class_that_is_changed_is_found() -> None:
    class Base(Workflow):
        seen: ClassVar[list[str]] = []
        names: ClassVar[set[str]] = set()
        own: dict[str, str] = {}  # noqa: RUF012 - each object gets its own
        shared: ClassVar[list[str]] = []

        def __init__(self) -> None:
            self.own = {}

        def run(self) -> None:
            self.seen.append("lamp")
            type(self).names.add("lamp")
            self.own["lamp"] = "mine"
            self.shared += ["lamp"]
            self.count()

        @classmethod
        def count(cls) -> None:
            cls.total = 1

    class Derived(Base):
        def run(self) -> None:
            self.own.clear()
            self.names.discard("lamp")

    assert [error.what for error in unrepeatable_calls(Base)] == [
        f"changing {name}, which all executions share,"
        for name in ("self.seen", "type(self).names", "self.shared", "cls.total")
    ]
    assert [error.what for error in unrepeatable_calls(Derived)] == [
        "changing self.names, which all executions share,"
    ]


def test_the_error_about_shared_state_reads_as_a_sentence() -> None:
    with pytest.raises(UnrepeatableError) as caught:
        check(of(Forbidden.a_list_of_the_module))
    assert str(caught.value).endswith(
        ": changing SEEN, which all executions share, in the run of a workflow, which is replayed "
        "for each decision; use an attribute of self instead"
    )


def test_a_run_behind_a_decorator_is_read() -> None:
    def noted(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any) -> Any:
            return function(*args)

        return wrapper

    @noted
    def run(self: Any) -> float:
        return time.time()

    assert named(run) == [("time.time()", "self.now()")]


class Innocent:
    """Each method is the ``run`` of a workflow that calls nothing it must not."""

    def mentions_what_is_called_elsewhere(self, side_effect: Any) -> Any:
        return side_effect(time.time), side_effect(lambda: random.random()), side_effect(uuid4)

    def passes_a_function_on(self, side_effect: Any) -> Any:
        def roll() -> int:
            return randint(1, 6)

        return side_effect(roll), side_effect(helper), side_effect(functools.partial(randint, 1, 6))

    def gives_a_name_a_meaning_of_its_own(self, time: Any, random: Any) -> Any:
        uuid4 = str
        return time.time(), random.random(), uuid4(), [now() for now in [str]]

    def unpacks_a_name(self, pair: Any) -> Any:
        now, (choice, *randint) = pair
        return now(), choice(), randint

    def asks_a_generator_with_a_seed(self) -> Any:
        return random.Random(7).random(), random.Random(x="seed").choice([1])

    def makes_an_id_from_a_name(self) -> Any:
        return uuid5(UUID(int=0), "order"), uuid.UUID(int=1), uuid.uuid3(uuid.NAMESPACE_DNS, "a")

    def reckons_with_times(self) -> Any:
        day = date.fromisoformat("2024-02-29") - dates.timedelta(1)
        return (
            day,
            datetime.fromtimestamp(0, dates.UTC),
            time.gmtime(0),
            time.strftime("%Y", (1,) * 9),
        )

    def uses_what_an_activity_uses(self) -> Any:
        return os.path.join("a", "b"), os.sep, secrets.compare_digest("a", "b")

    def calls_what_is_no_function(self) -> Any:
        return [][0:1], "".join([]), (lambda: 1)(), TABLE["a"](), str.upper("a")

    def goes_through_what_has_an_order(self, names: list[str]) -> Any:
        known = set(names)
        numbers = {1, 2, 3}
        table = dict.fromkeys(names)
        table = {each: len(each) for each in table}
        return (
            sorted(known),
            min(known),
            sorted(each.upper() for each in known),
            sorted(known - {"a"}),
            len(known),
            {each.upper() for each in known},
            any(each == "a" for each in known),
            "a" in known,
            list(numbers),
            list(table),
            list(table.keys()),
            list(set(range(3))),
            list(known.copy() and names),
        )

    def rebinds_a_set(self, names: list[str]) -> Any:
        known: Any = set(names)
        known = sorted(known)
        return list(known)

    def reads_what_is_shared(self, name: str) -> Any:
        copied = [*SEEN, *TABLES]
        copied.append(name)
        return COUNTS[name], BY_NAME.get(name), copied, Shared.items.index(1), len(LAST)

    def changes_what_is_its_own(self, seen: list[str]) -> Any:
        parsed = [*seen]
        parsed.append("lamp")
        self.found: dict[str, int] = {}
        self.found["lamp"] = 1
        self.found.update(table=2)
        table = dict(TABLES)
        table["lamp"] = []
        return [next(iter(NAMES)), table.setdefault("a", [])]

    def keeps_what_it_has_parsed(self, text: str) -> Any:
        return parsed(text)

    def reads_what_is_not_the_environment(self, environ: Any, order: Any) -> Any:
        return environ["PATH"], order.environ, os.path.join("a"), self.hash(), order.glob("*")

    def hash(self) -> int:
        return 1

    def calls_itself(self) -> Any:
        return Innocent.calls_itself


TABLE: dict[str, Any] = {"a": str}
NAMES = ("lamp", "table")


def parsed(text: str) -> list[str]:
    if text not in TABLES:
        TABLES[text] = text.split()
    return TABLES[text]


INNOCENT = [method for name, method in vars(Innocent).items() if not name.startswith("_")]


@pytest.mark.parametrize("run", INNOCENT, ids=lambda run: run.__name__)
def test_innocent_code_raises_no_alarm(run: Any) -> None:
    assert named(run) == []


def test_helpers_of_other_packages_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def stamp() -> float:
        return time.time()

    def run(self: Any) -> float:
        return stamp()

    assert named(run) == [("time.time()", "self.now()")]
    monkeypatch.setattr(stamp, "__module__", "elsewhere.clocks")
    assert named(run) == []


def test_code_without_source_is_passed_over() -> None:
    names: dict[str, Any] = {}
    exec("import time\ndef run(self):\n    return time.time()", names)
    assert named(names["run"]) == []
    assert named(print) == []
    assert named(lambda self: time.time()) == []


def test_an_empty_cell_is_ignored() -> None:
    def run(self: Any) -> Any:
        return later()

    assert named(run) == []

    def later() -> float:
        return time.time()

    assert named(run) == [("time.time()", "self.now()")]


def test_it_is_found_while_time_is_frozen_too() -> None:
    with freeze_time("2024-02-29"):
        for run in (Forbidden.a_clock_by_its_own_name, Forbidden.a_date_of_a_module):
            what, instead, *_ = run(Forbidden())
            assert named(run) == [(what, instead)]


def test_the_tutorial_is_innocent() -> None:
    assert unrepeatable_calls(ImageCategorization) == []
    check(ImageCategorization)


def test_a_class_is_read_once() -> None:
    reads = []

    class Counted(Workflow):
        def run(self) -> None:
            return None

    check(Counted)
    Counted.run = property(lambda self: reads.append(self))  # type: ignore[assignment]
    check(Counted)
    assert reads == []


STATEMENTS = (
    "total += len(str(total))",
    "total = max(total, int('7'))",
    "names = sorted({'b', 'a'}); total += len(names)",
    "time = total; total = time + 1",
    "now = lambda: total; total = now()",
    "uuid4, choice = str, max; total += choice(1, len(uuid4(total)))",
    "total += sum(random for random in range(3))",
    "later = [clock.time, generator.random]; total += len(later)",
    "total += datetime.timedelta(seconds=total).days",
    "total += clock.gmtime(total).tm_year",
    "from math import floor as randint; total = randint(total)",
    "self.side_effect(lambda: clock.time())",
)


@given(st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=8))
def test_innocent_workflows_never_raise_an_alarm(
    tmp_path_factory: pytest.TempPathFactory, statements: list[str]
) -> None:
    lines = [
        "import datetime, time as clock, random as generator",
        "from random import choice, randint",
        "class Example:",
        "    def side_effect(self, function):",
        "        return 1",
        "    def run(self, total=1):",
        *(f"        {statement}" for statement in statements),
        "        return total",
    ]
    path = tmp_path_factory.mktemp("innocent") / "example.py"
    path.write_text("\n".join(lines), encoding="utf-8")
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile("\n".join(lines), str(path), "exec"), names)
    assert unrepeatable_calls(names["Example"]) == []
    names["Example"]().run()
