"""A server is killed again and again, and its files are damaged in between.

Nothing that was acknowledged goes missing without a report: either the server starts and has all of
it, or it refuses to start and says why.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

import pytest

from flowy_sim._engine.model import event_types
from flowy_sim._server.server import Server, listen, url_of
from flowy_sim._server.settings import ServerSettings
from flowy_sim._storage.file_journal import journal_in
from flowy_sim._storage.files import FileRefusedError
from tests.support.killed_server import Client, Told, register

pytestmark = pytest.mark.skipif(
    "forkserver" not in multiprocessing.get_all_start_methods(), reason="needs to fork quickly"
)

# Loaded once, in the process that all servers are forked from.
event_types()

#: How often the server is killed.
KILLS = int(os.environ.get("FLOWY_KILLS", "1000" if "FLOWY_SOAK" in os.environ else "8"))
#: Kills after which a new file is begun: to check and to open a large one takes long.
A_FILE = 25
WORKERS = 4
ENDINGS = ("", "-wal", "-progress")


def serve(path: Path, accept_loss: bool, pipe: Connection) -> None:
    """Serve a file; send the URL, or the sentence with which the file is refused."""
    listener = listen("127.0.0.1", 0)
    url = url_of(listener)
    journal = journal_in(path, url=url, accept_loss=accept_loss)
    try:
        asyncio.run(Server(listener, ServerSettings(), journal).serve(lambda: pipe.send(url)))
    except FileRefusedError as error:
        pipe.send(str(error))


@contextmanager
def served(path: Path, *, accept_loss: bool = False) -> Iterator[str]:
    """Yield what a server process says; in the end it is killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(path, accept_loss, theirs))
    process.start()
    theirs.close()
    try:
        assert ours.poll(60), "the server says nothing"
        yield ours.recv()
    finally:
        process.kill()
        process.join()
        ours.close()


def beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def contents(path: Path) -> dict[str, bytes]:
    """Return the content of a file and of what belongs to it; empty if there is none."""
    files = {ending: beside(path, ending) for ending in ENDINGS}
    return {ending: file.read_bytes() if file.exists() else b"" for ending, file in files.items()}


def copy(path: Path, folder: Path) -> Path:
    """Copy a file and what belongs to it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for ending in ENDINGS:
        if beside(path, ending).exists():
            shutil.copyfile(beside(path, ending), beside(folder / path.name, ending))
    return folder / path.name


class Damage:
    """Damages files, as a disk or a user might.

    Args:
        random: chooses.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self.earlier: Path | None = None

    def strike(self, path: Path) -> str:
        """Damage one of the files; return how, or nothing if none is damaged."""
        how = self._random.choice(["", "", "flip", "cut", "lose", "exchange", "exchange two"])
        endings = [each for each in ENDINGS if beside(path, each).exists()]
        file = beside(path, self._random.choice(endings))
        content = bytearray(file.read_bytes())
        if how == "flip" and content:
            content[self._random.randrange(len(content))] ^= 1 << self._random.randrange(8)
            file.write_bytes(content)
        elif how == "cut":
            file.write_bytes(content[: self._random.randrange(len(content) + 1)])
        elif how == "lose":
            file.unlink()
        elif how.startswith("exchange") and self.earlier is not None:
            before = contents(path)
            for ending in self._random.sample(ENDINGS, 2 if how.endswith("two") else 1):
                if beside(self.earlier, ending).exists():
                    shutil.copyfile(beside(self.earlier, ending), beside(path, ending))
            if contents(path) == contents(self.earlier):
                # All files of an earlier moment are a good backup, which nothing can tell from
                # files to which nothing has happened since.
                for ending, content in before.items():
                    if content:
                        beside(path, ending).write_bytes(content)
                return ""
        else:
            return ""
        return how


def work(url: str, random: Random, number: int) -> tuple[Told, list[threading.Thread]]:
    """Let clients work for a moment; return what they were answered, and their threads."""
    told = Told()
    port = int(url.rpartition(":")[2])
    workers = [
        threading.Thread(target=told.work, args=(port, f"{number}-{each}"))
        for each in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    threading.Event().wait(random.uniform(0.02, 0.15))
    return told, workers


@pytest.mark.slow
def test_nothing_acknowledged_goes_missing_without_a_report(tmp_path: Path) -> None:
    random = Random(int(os.environ.get("FLOWY_SEED", "0")))
    outcomes: Counter[str] = Counter()
    kills = 0
    while kills < KILLS:
        folder = tmp_path / str(kills)
        folder.mkdir()
        kills += one_file(folder, random, min(A_FILE, KILLS - kills), outcomes)
        shutil.rmtree(folder)
    print(f"{kills:,} kills: {dict(outcomes)}")
    assert outcomes["complete"]
    if KILLS > 100:
        assert outcomes["reported"] > KILLS / 10


def one_file(folder: Path, random: Random, rounds: int, outcomes: Counter[str]) -> int:
    path, damage = folder / "kept.db", Damage(random)
    history: list[Told] = []
    for number in range(rounds):
        whole = copy(path, folder / "whole") if number else None
        how = damage.strike(path) if number else ""
        refusal = ""
        with served(path) as said:
            if said.startswith("http"):
                try:
                    check(said, history)
                except AssertionError as error:
                    error.add_note(f"in round {number} after {how or 'no damage'}")
                    raise
                outcomes["complete" if not how else f"complete after {how}"] += 1
            else:
                refusal = said
        if refusal:
            assert how, refusal
            assert str(path) in refusal
            outcomes["reported"] += 1
            accepted(copy(path, folder / "accepted"))
            assert whole is not None
            for ending in ENDINGS:
                beside(path, ending).unlink(missing_ok=True)
                if beside(whole, ending).exists():
                    shutil.copyfile(beside(whole, ending), beside(path, ending))
        with served(path) as url:
            assert url.startswith("http"), url
            if not number:
                with closing(client_of(url)) as client:
                    register(client)
            check(url, history)
            latest, workers = work(url, random, number)
        for worker in workers:
            worker.join()
        history.append(latest)
        if number % 5 == 0:
            damage.earlier = copy(path, folder / "earlier")
    return rounds


def client_of(url: str) -> Client:
    return Client(int(url.rpartition(":")[2]))


def check(url: str, history: list[Told]) -> None:
    with closing(client_of(url)) as client:
        for told in history:
            told.check(client)
            told.tokens.clear()  # Their tasks are completed now.


def accepted(path: Path) -> None:
    """Serve what is left; a file that cannot be read is still refused."""
    with served(path, accept_loss=True) as said:
        assert said.startswith("http") or "damaged" in said or "not a file of" in said, said
