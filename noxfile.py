"""Sessions of nox: `nox` runs the tests on every Python found, and lint; `nox --list` lists all."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["tests", "lint"]

# Only packages are ever downloaded, never an interpreter.
os.environ["UV_PYTHON_DOWNLOADS"] = "never"
# Tests start hundreds of processes; without bytecode, each would compile all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = ["3.11", "3.12", "3.13"]
OLDEST_PYTHON = PYTHONS[0]
THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
JAVASCRIPT = ["@aws-sdk/client-swf@>=3.523 <4", "aws-sdk@2"]
OLDER_FLOWY = "flowy==0.4.1"
OLDER_PYTHON = "python3.9"  # flowy 0.4.1 fails on newer versions.
MAVEN_OPTIONS = ["--quiet", "--batch-mode"]
# The programs end before it would pay to optimize them.
JVM_OPTIONS = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
CONTAINER_FILES = {
    "compose-spec": "compose.yaml",
    "github-workflows": "examples/ci/github-actions.yml",
    "gitlab-ci": "examples/ci/gitlab-ci.yml",
}
MERMAID = "mermaid@11"
NODE_WITHOUT_WARNING = {"AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED": "true"}
NPM_OPTIONS = ["--loglevel=error", "--no-save", "--no-package-lock", "--no-audit", "--no-fund"]
EVERYTHING = ".[cli,suspend,tutorial,pytest,hypothesis,serve]"


def show_pyenv_versions() -> None:
    """Make commands such as `python3.12` available where pyenv manages the Pythons."""
    if "PYENV_VERSION" in os.environ or shutil.which("pyenv") is None:
        return
    listed = subprocess.run(["pyenv", "versions", "--bare"], capture_output=True, text=True)
    known = [*PYTHONS, OLDER_PYTHON.removeprefix("python")]
    wanted = [v for v in listed.stdout.split() if v.rpartition(".")[0] in known]
    current = [v for v in wanted if v.startswith(THIS_PYTHON)]
    if wanted:
        os.environ["PYENV_VERSION"] = ":".join(current + [v for v in wanted if v not in current])


show_pyenv_versions()


def group(name: str) -> list[str]:
    return nox.project.dependency_groups(PROJECT, name)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests; on the oldest Python with the oldest versions of all dependencies.

    Tests marked slow behave alike on every Python, so they run on the newest one only. There,
    properties also search for longer.
    """
    newest = max((each for each in PYTHONS if shutil.which(f"python{each}")), default=THIS_PYTHON)
    oldest = ["--resolution", "lowest-direct"] if session.python == OLDEST_PYTHON else []
    in_full = session.python == newest or bool(session.posargs)
    fast = [] if in_full else ["-m", "not slow"]
    brief = {} if in_full else {"FLOWY_BRIEF": "1"}
    session.install(*oldest, EVERYTHING, *group("test"))
    # Many tests wait for processes, so one more process than there are processors keeps those busy.
    # Each takes tests from the end of what another still has to run. So all stay busy to the end,
    # and most fixtures of modules are set up in one of them only.
    processes = (os.cpu_count() or 1) + 1
    parallel = ("-n", str(processes), "--dist", "worksteal")
    session.run("pytest", *parallel, *fast, *session.posargs, env=brief)


@nox.session(python=THIS_PYTHON)
def lint(session: nox.Session) -> None:
    """Check style, format and the directions of imports."""
    session.install(*group("lint"))
    session.run("lint-imports")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(python=THIS_PYTHON)
def docs(session: nox.Session) -> None:
    """Build the site strictly in build/site; `nox -s docs -- --serve` also serves it."""
    session.install("-e", EVERYTHING, *group("docs"))
    pages, site = "build/pages", "build/site"
    session.run("python", "docs/_pages.py", pages)
    add_mermaid(session, pathlib.Path(pages, "assets", "mermaid.min.js"))
    session.run("mkdocs", "build", "--clean", env={"NO_MKDOCS_2_WARNING": "1"})
    session.run("python", "docs/_check_site.py", site)
    if "--serve" in session.posargs:
        session.run("python", "-m", "http.server", "--bind", "127.0.0.1", "--directory", site)


@nox.session(python=THIS_PYTHON)
def containers(session: nox.Session) -> None:
    """Check the files for containers and CI; the tests run what they describe."""
    session.install(*group("containers"))
    session.run("hadolint", "Dockerfile")
    for schema, file in CONTAINER_FILES.items():
        session.run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", file)


def add_mermaid(session: nox.Session, script: pathlib.Path) -> None:
    """Copy Mermaid to where pages with diagrams load it; the theme would load it from a CDN."""
    cache = pathlib.Path(session.virtualenv.location, "mermaid")
    cache.mkdir(exist_ok=True)
    if not list(cache.glob("*.tgz")):
        session.run_install("npm", "pack", "--silent", MERMAID, "--pack-destination", str(cache))
    with tarfile.open(next(cache.glob("*.tgz"))) as package:
        found = package.extractfile("package/dist/mermaid.min.js")
        assert found is not None
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_bytes(found.read())


@nox.session(python=THIS_PYTHON, venv_backend="uv")
def release(session: nox.Session) -> None:
    """Build wheel and sdist, install each in an empty environment, and run both commands.

    They are built once, and installed on every Python found.
    """
    session.install(*group("release"))
    folder = pathlib.Path(session.create_tmp()).resolve()
    shutil.rmtree(folder / "dist", ignore_errors=True)
    build = ("python", "-m", "build", "--installer", "uv", "--outdir", str(folder / "dist"))
    session.run(*build, silent=True)
    built = sorted((folder / "dist").iterdir())
    session.run("twine", "check", "--strict", *map(str, built))
    session.chdir(folder)  # Nothing is imported from the checkout.
    for python in [each for each in PYTHONS if has(session, f"python{each}")]:
        for distribution in built:
            try_distribution(session, distribution, python)


def try_distribution(session: nox.Session, distribution: pathlib.Path, python: str) -> None:
    """Install a distribution in an empty environment, first without extras, and run it."""
    environment = pathlib.Path(f"{python}-{distribution.suffix.strip('.')}").resolve()
    scripts = environment / ("Scripts" if os.name == "nt" else "bin")

    def run(command: str, *arguments: str) -> None:
        session.run(str(scripts / command), *arguments, external=True)

    there = ("--quiet", "--python", str(environment))
    session.run("uv", "venv", "--quiet", "--clear", "--python", python, str(environment))
    session.run("uv", "pip", "install", *there, str(distribution))
    run("python", "-c", "import flowy, flowy_sim")
    session.run("uv", "pip", "install", *there, f"{distribution}[cli,serve,tutorial]")
    session.run("uv", "pip", "check", *there)
    run("flowy-sim", "run")
    run("flowy-sim", "serve", "--", str(scripts / "flowy"), "register-domain", "shop")
    for package in ("flowy", "flowy_sim"):
        run("python", "-m", package, "--version")


@nox.session(python=THIS_PYTHON)
def types(session: nox.Session) -> None:
    """Check the types, and what type checkers report to authors of workflows."""
    session.install(EVERYTHING, *group("types"), *group("test"))
    session.run("mypy")
    typed = "tests/flowy/test_workflows_document.py::test_the_examples_are_typed"
    session.run("pytest", "-n", "auto", "tests/flowy/test_types.py", typed)


@nox.session(python=THIS_PYTHON)
def browser(session: nox.Session) -> None:
    """Run the tests of pages in Chromium, which has to be installed."""
    session.install(EVERYTHING, *group("browser"), *group("test"))
    session.run("pytest", "-n", "2", "tests/browser", *session.posargs)


@nox.session(python=THIS_PYTHON)
def screenshots(session: nox.Session) -> None:
    """Take the pictures of pages in docs/images, in Chromium, which has to be installed."""
    session.install("-e", EVERYTHING, *group("browser"))
    session.run("python", "docs/_screenshots.py")


@nox.session(python=THIS_PYTHON)
def soak(session: nox.Session) -> None:
    """Run the long campaigns of the state machines."""
    session.install(EVERYTHING, *group("test"))
    session.run("pytest", "-n", "auto", "-m", "", *session.posargs, env={"FLOWY_SOAK": "1"})


@nox.session(python=THIS_PYTHON, venv_backend="uv")
def clients(session: nox.Session) -> None:
    """Run the tests with clients in Python, JavaScript, Java and Go, and the examples."""
    session.install(EVERYTHING, *group("test"), *group("deciders"))
    folder = pathlib.Path(session.virtualenv.location, "clients")
    install_alone(session, folder / "awscli", THIS_PYTHON, *group("awscli"))
    if has(session, OLDER_PYTHON):
        older = folder / "older-flowy"
        install_alone(session, older, OLDER_PYTHON, *group("older-flowy"))
        install_alone(session, older, OLDER_PYTHON, "--no-deps", OLDER_FLOWY)
    has_node = has(session, "node", "npm")
    has_java = has(session, "java", "mvn")
    has_go = has(session, "go")
    if has_node:
        prefix = ("--prefix", str(folder / "node"))
        session.run_install("npm", "install", *NPM_OPTIONS, *prefix, *JAVASCRIPT, external=True)
    if has_java:
        with session.chdir("tests/clients/java"):
            built = f"-Dbuilt={folder / 'java'}"
            build = ("mvn", *MAVEN_OPTIONS, built, "process-classes")
            session.run_install(*build, external=True, env=JVM_OPTIONS)
    if has_go:
        with session.chdir("tests/clients/go"):
            session.run_install("go", "build", "-o", f"{folder / 'go'}/", "./...", external=True)
    found = {"FLOWY_CLIENTS": str(folder), **JVM_OPTIONS}
    session.run("pytest", "-n", "4", "tests/clients", *session.posargs, env=found)
    # It allows only some versions of botocore.
    alone = folder / "aiobotocore"
    install_alone(session, alone, THIS_PYTHON, EVERYTHING, *group("test"), *group("aiobotocore"))
    python = str(next(alone.glob("[bS]*/python*")))  # In bin, or in Scripts on Windows.
    session.run(python, "-m", "pytest", "tests/clients/test_aiobotocore.py", external=True)
    if has_node:
        with session.chdir("examples/typescript"):
            session.run("npm", "install", *NPM_OPTIONS, external=True)
            session.run("npm", "test", external=True, env=NODE_WITHOUT_WARNING)
    if has_java:
        with session.chdir("examples/java"):
            session.run("mvn", *MAVEN_OPTIONS, "verify", external=True, env=JVM_OPTIONS)
    if has_go:
        with session.chdir("examples/go"):
            session.run("go", "test", "-count=1", "./...", external=True)


def install_alone(session: nox.Session, folder: pathlib.Path, python: str, *what: str) -> None:
    """Install packages into an environment of their own."""
    environment = ("--quiet", "--allow-existing", "--python", python, str(folder))
    session.run_install("uv", "venv", *environment)
    session.run_install("uv", "pip", "install", "--quiet", "--python", str(folder), *what)


def has(session: nox.Session, *commands: str) -> bool:
    """Return whether all commands are installed; if not, print what is skipped."""
    missing = [command for command in commands if shutil.which(command) is None]
    if missing:
        session.warn(f"{' and '.join(missing)} not found; skipping the tests that need it.")
    return not missing


@nox.session(name="soak-server", python=THIS_PYTHON)
def soak_server(session: nox.Session) -> None:
    """Kill and restart servers under load: for 30 s, and 1,000 times with damage in between."""
    session.install(EVERYTHING, *group("test"))
    soaks = ("server/test_soak.py", "storage/test_killing.py", "storage/test_killed_and_damaged.py")
    files = [f"tests/{each}" for each in soaks]
    session.run("pytest", "-s", *files, *session.posargs, env={"FLOWY_SOAK": "1"})


@nox.session(python=THIS_PYTHON)
def fuzz(session: nox.Session) -> None:
    """Send a million random requests to a server, in process and over HTTP."""
    session.install(EVERYTHING, *group("test"))
    numbers = {"FLOWY_FUZZ": os.environ.get("FLOWY_FUZZ", "600000,400000")}
    session.run("pytest", "-s", "tests/server/test_fuzz.py", *session.posargs, env=numbers)


@nox.session(python=THIS_PYTHON)
def bench(session: nox.Session) -> None:
    """Measure speed and memory of the simulator and of moto, and print the tables."""
    session.install(EVERYTHING, *group("bench"), *group("browser"))
    session.run("python", "-m", "bench", *session.posargs)


@nox.session(python=THIS_PYTHON)
def planted(session: nox.Session) -> None:
    """Search for all planted bugs and print the table, or write it into docs/exploring.md."""
    session.install(EVERYTHING, *group("test"))
    session.run("python", "-m", "tests.planted.planted_table", *session.posargs)
