#!/usr/bin/env -S uv run --script
# /// script
# dependencies = ["nox"]
# ///
"""Sessions for nox: ``nox`` lints, checks the types and tests; ``nox -l`` lists all of them."""

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"

PYPROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the quick tests, or those that are named: ``nox -s tests-3.11 -- tests/training``."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Run all hooks of pre-commit on all files."""
    session.install("pre-commit")
    session.run("pre-commit", "run", "--all-files", "--show-diff-on-failure", *session.posargs)


@nox.session
def types(session: nox.Session) -> None:
    """Check the types, and the stub of the compiled module against the module itself."""
    session.install(".[serve,write]", *nox.project.dependency_groups(PYPROJECT, "dev"))
    session.run("mypy")
    config = session.invoked_from + "/pyproject.toml"
    session.chdir(session.create_tmp())
    session.run("python", "-m", "mypy.stubtest", "--mypy-config-file", config, "pycharrnn")


@nox.session(default=False)
def build(session: nox.Session) -> None:
    """Build an sdist and, from it, a wheel, into ``dist/``."""
    session.install("build", "twine")
    session.run("python", "-m", "build")
    session.run("twine", "check", "--strict", "dist/*")


@nox.session(venv_backend="none", default=False)
def everything(session: nox.Session) -> None:
    """Run ``.ci/run``: all that must hold before a merge."""
    session.run("bash", ".ci/run", *session.posargs, external=True)


if __name__ == "__main__":
    nox.main()
