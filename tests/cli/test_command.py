"""The command as a process of its own."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from importlib import import_module

import pytest

from flowy._installation import install_command

COMMAND = [sys.executable, "-m", "flowy_sim"]


def flowy_sim(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, env={**os.environ, **environment}
    )


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_the_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert flowy_sim("--version").stdout == f"flowy-sim {version('flowy-sim')}\n"


def test_help_shows_examples_as_they_are_typed():
    assert "\n    flowy-sim run shop:Order 42     run your own workflow\n" in flowy_sim("-h").stdout
    assert "\n    flowy-sim run\n" in flowy_sim("run", "--help").stdout


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["run", "--help"], ["verify", "-h"]])
def test_help_and_version_import_nothing_slow(words):
    ran = python(
        f"""
import sys
sys.argv = ["flowy-sim", *{words}]
from flowy_sim.__main__ import main
try:
    main()
except SystemExit as ended:
    assert not ended.code
slow = {{"boto3", "botocore", "rich", "flowy", "PIL", "requests"}}
slow |= {{"flowy_sim._clients.simulation"}}
assert not slow & set(sys.modules), slow & set(sys.modules)
"""
    )

    assert ran.returncode == 0, ran.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a disk that is full")
@pytest.mark.parametrize("words", [["--help"], ["run", "--json"], ["run"]])
def test_output_that_is_not_taken_ends_a_command_with_a_sentence(words):
    with open("/dev/full", "w") as full:
        ran = subprocess.run([*COMMAND, *words], stdout=full, stderr=subprocess.PIPE, text=True)

    assert ran.returncode == 1
    assert ran.stderr == "Error: The output cannot be written: No space left on device.\n"


@pytest.mark.skipif(os.name == "nt", reason="needs the shell sh")
@pytest.mark.parametrize("command", ["flowy_sim run", "flowy --version"])
def test_a_command_runs_without_any_standard_stream(command):
    shell = ["sh", "-c", f"{sys.executable} -m {command} <&- >&- 2>&-"]

    assert subprocess.run(shell).returncode == 0


@pytest.mark.parametrize("command", ["flowy", "flowy_sim"])
def test_an_interruption_while_a_command_is_imported_ends_it_silently(command):
    ran = python(
        f"""
import builtins, sys
real = builtins.__import__
def interrupted(name, *others, **named):
    if name == "click":
        raise KeyboardInterrupt
    return real(name, *others, **named)
builtins.__import__ = interrupted
from {command}.__main__ import main
main()
"""
    )

    assert (ran.returncode, ran.stderr) == (130, "")


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_its_libraries_the_command_says_what_to_install(missing):
    ran = python(
        f"""
import sys
sys.modules[{missing!r}] = None
sys.argv = ["flowy-sim", "run"]
from flowy_sim.__main__ import main
main()
"""
    )

    assert ran.returncode == 1
    assert ran.stderr == (
        f"flowy-sim's command line needs {missing}; install it: {install_command('cli')}\n"
    )


@pytest.mark.slow
def test_a_pipe_gets_plain_text_and_no_progress():
    ran = flowy_sim("run")

    assert ran.returncode == 0
    assert ran.stdout.startswith("Filed as ")
    assert "\x1b" not in ran.stdout
    assert ran.stderr == ""


@pytest.mark.slow
def test_a_terminal_gets_progress_and_colours():
    master, slave = pty.openpty()
    with subprocess.Popen([*COMMAND, "run"], stdout=slave, env={**os.environ, "TERM": "xterm"}):
        os.close(slave)
        shown = b""
        try:
            while chunk := os.read(master, 4096):
                shown += chunk
        except OSError:  # the other end is closed
            pass
    os.close(master)

    assert "\x1b[32m✓\x1b[0m resize-1".encode() in shown
    assert b"4 done" in shown
    assert b"\x1b[1;32mFiled as " in shown


@pytest.mark.slow
def test_text_that_the_terminal_cannot_show_does_not_stop_the_command(write):
    write(
        "shop.py",
        """\
        from flowy import Workflow, workflow

        @workflow("naïve", 1, "decisions")
        class Order(Workflow):
            def run(self):
                return "\\N{SNOWMAN}"
        """,
    )

    ran = flowy_sim("run", "shop:Order", PYTHONIOENCODING="ascii")

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("\\u2603\n\nna?ve 1 - completed - ")


@pytest.mark.slow
def test_json_goes_through_a_pipe_whatever_activities_print(write):
    write(
        "shop.py",
        """\
        from flowy import Activity, ActivityProxy, Workflow, activity, workflow
        print("imported")

        @activity("price", 1, "shop")
        class Price(Activity):
            def run(self):
                print("pricing")
                return 7

        @workflow("order", 1, "decisions")
        class Order(Workflow):
            price = ActivityProxy(Price)

            def run(self):
                return self.price().result()
        """,
    )

    ran = flowy_sim("run", "shop:Order", "--json")

    assert json.loads(ran.stdout)["result"] == 7
    assert ran.stderr == "imported\npricing\n"


@pytest.fixture
def _interruptible():
    """Where the tests run in the background, children would inherit that SIGINT is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
@pytest.mark.parametrize(
    ("options", "farewell"),
    [([], "Interrupted.\n"), (["--realtime"], "Interrupted while order-1 was open.\n")],
)
def test_ctrl_c_ends_a_run_with_a_sentence(write, options, farewell):
    write(
        "shop.py",
        """\
        import threading
        from flowy import Activity, ActivityProxy, Workflow, activity, workflow

        @activity("wait", 1, "shop")
        class Wait(Activity):
            def run(self):
                print("waiting", flush=True)
                main = threading.current_thread() is threading.main_thread()
                threading.Event().wait(60 if main else 0.5)

        @workflow("order", 1, "decisions")
        class Order(Workflow):
            wait = ActivityProxy(Wait)
            again = ActivityProxy(Wait)

            def run(self):
                self.wait().result()
                self.again().result()
        """,
    )
    command = [*COMMAND, "run", "shop:Order", *options]

    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()

    assert process.returncode == 130
    assert farewell in errors
    assert "Traceback" not in errors


@pytest.mark.slow
def test_a_closed_pipe_does_not_fail_the_workflow():
    with subprocess.Popen(
        [*COMMAND, "run"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        errors = process.stderr.read()

    assert "ended the program" not in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("words", "works"),
    [
        (["verify", "."], "flowy_sim.verify.verify_paths"),
        (["replay", "flowy.tutorial", "."], "flowy_sim.testing._history_files.replay_files"),
        (["explore"], "flowy_sim.explore.find"),
        (
            ["history", "--from-aws", "--domain", "d", "--region", "eu-west-1"],
            "flowy_sim._cli.history_recorder.record",
        ),
    ],
)
def test_every_command_ends_in_the_same_way_when_it_is_interrupted(
    invoke, monkeypatch, words, works
):
    def press(*args, **kwargs):
        raise KeyboardInterrupt

    module, _, name = works.rpartition(".")
    # Tests that run pytest in this process forget modules, which their packages still have.
    monkeypatch.setattr(import_module(module), name, press)
    ran = invoke(*words)
    assert (ran.exit_code, ran.stderr) == (130, "Interrupted.\n")
