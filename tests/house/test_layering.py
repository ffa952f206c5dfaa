"""Imports go one way: the tables below are the architecture, and this file enforces them.

FLOORS says which floor may know which. MODULES says which module imports which, at the top of its file. LATE says what
is imported only when a function is called, or by type checkers: so may an outer floor be reached, and what is slow to
import. A row that nothing needs, a module without a row and a row without a module fail.
"""

from __future__ import annotations

import ast
import graphlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

# Floor -> the floors below it that its modules may import at the top. Every floor may import itself.
FLOORS: dict[str, set[str]] = {
    "ground": set(),
    "text": {"ground"},
    "files": {"ground"},
    "network": {"ground"},
    "sampling": {"ground", "network"},
    "training": {"files", "ground", "network"},
    "house": {"files", "ground", "network", "sampling", "text", "training"},
    "serving": {"ground", "house", "network", "sampling", "text"},
    "lab": {"benchmark", "files", "ground", "house", "network", "text", "training"},
    "benchmark": {"ground", "house", "network", "training"},
    "cli": {"files", "ground", "house", "network", "sampling", "text", "training"},
}
# Modules that lie in no folder of their own floor.
GROUND = {
    "_kernels",
    "arguments",
    "arrays",
    "errors",
    "interrupts",
    "messages",
    "output",
    "packing",
    "tables",
    "waiting",
}
HOUSE = {
    "__init__",
    "__main__",
    "beginning",
    "choosing",
    "datasets",
    "derived",
    "examiner",
    "gradients",
    "learner",
    "model",
    "observer",
    "optim",
    "parameters",
    "presets",
    "reader",
    "recipes",
    "resuming",
    "tasks",
    "trained",
    "turns",
    "versions",
    "writer",
}

# Module -> what it imports of ours at the top.
MODULES: dict[str, set[str]] = {
    # ground
    "arguments": {"errors", "messages"},
    "arrays": set(),
    "errors": {"messages"},
    "interrupts": set(),
    "messages": set(),
    "output": set(),
    "packing": set(),
    "tables": {"arguments"},
    "waiting": set(),
    # text
    "text.corpus": {"arrays", "errors", "text.vocabulary"},
    "text.datasets": {"arguments", "messages"},
    "text.decoding": {"errors", "messages", "packing"},
    "text.documents": {
        "arguments",
        "errors",
        "messages",
        "output",
        "tables",
        "text.decoding",
        "text.fields",
        "text.formats",
        "text.records",
        "text.sources",
    },
    "text.fields": {"messages", "output", "text.records"},
    "text.formats": {"messages", "packing", "text.decoding", "text.fields", "text.records"},
    "text.paths": {"errors"},
    "text.reading": {"errors", "text.decoding", "text.paths"},
    "text.records": {"messages"},
    "text.sources": {"errors", "messages", "text.formats"},
    "text.vocabulary": {"arguments", "errors", "messages"},
    # files
    "files.atomic": {"errors", "messages"},
    "files.checkpoint_file": {"arguments", "files.container", "files.model_file"},
    "files.container": {"errors", "files.atomic", "files.header", "files.rounding", "packing"},
    "files.header": {"errors", "files.rounding"},
    "files.model_file": {"arguments", "files.container", "files.rounding"},
    "files.rounding": set(),
    # network
    "network.architecture": {
        "_kernels",
        "arrays",
        "messages",
        "network.cells",
        "network.initial",
        "network.layout",
        "network.memory",
        "network.precision",
    },
    "network.cells": {"_kernels", "network.records"},
    "network.control_groups": set(),
    "network.drawing": {"_kernels", "arrays", "network.architecture", "network.engine", "network.records"},
    "network.engine": {
        "_kernels",
        "arrays",
        "network.architecture",
        "network.memory",
        "network.records",
        "network.workspace",
    },
    "network.evaluation": {
        "arrays",
        "network.architecture",
        "network.overlapping",
        "network.scoring",
        "network.streams",
    },
    "network.growth": {"arrays", "network.architecture", "network.state"},
    "network.initial": {"_kernels", "arrays"},
    "network.layout": {"arrays"},
    "network.lookahead": {"_kernels", "arrays", "network.architecture", "network.drawing", "network.records"},
    "network.memory": {"arrays", "errors", "messages", "network.control_groups"},
    "network.overlapping": {"arrays", "network.architecture", "network.scoring", "network.streams"},
    "network.pace": set(),
    "network.precision": {"_kernels", "network.records"},
    "network.records": {"_kernels", "arrays"},
    "network.scoring": {"arrays", "network.architecture", "network.engine", "network.streams", "network.workspace"},
    "network.state": {"arrays", "network.architecture", "network.memory", "network.records"},
    "network.streams": {
        "arrays",
        "network.architecture",
        "network.engine",
        "network.memory",
        "network.pace",
        "network.records",
        "network.teams",
        "network.workspace",
    },
    "network.teams": {"interrupts", "network.records"},
    "network.unsmoothing": {"arrays", "network.architecture", "network.engine", "network.workspace"},
    "network.watching": {"arrays", "network.architecture", "network.engine", "network.workspace"},
    "network.workspace": {
        "_kernels",
        "arrays",
        "messages",
        "network.architecture",
        "network.layout",
        "network.memory",
        "network.records",
    },
    # sampling
    "sampling.batch": {
        "arrays",
        "network.architecture",
        "network.drawing",
        "sampling.limits",
        "sampling.rules",
        "sampling.stops",
    },
    "sampling.beam": {
        "arrays",
        "network.architecture",
        "network.lookahead",
        "sampling.limits",
        "sampling.rules",
        "sampling.stops",
    },
    "sampling.kinds": {"arguments", "errors", "messages", "sampling.novelty"},
    "sampling.limits": {"errors", "messages", "network.memory"},
    "sampling.novelty": {"arguments", "errors", "network.memory", "tables", "waiting"},
    "sampling.rules": {"arrays", "errors", "messages", "network.architecture", "network.records", "sampling.settings"},
    "sampling.sampler": {
        "arrays",
        "network.architecture",
        "network.drawing",
        "network.records",
        "sampling.limits",
        "sampling.rules",
        "sampling.seeds",
        "sampling.settings",
        "sampling.stops",
    },
    "sampling.seeds": {"arguments"},
    "sampling.session": {"arguments", "errors", "messages", "sampling.sampler"},
    "sampling.settings": {"arguments", "arrays", "errors", "messages", "sampling.kinds", "sampling.novelty", "tables"},
    "sampling.stops": set(),
    # training
    "training.adaptation": {
        "arrays",
        "errors",
        "network.architecture",
        "network.engine",
        "network.growth",
        "network.memory",
        "network.records",
        "network.state",
        "training.optimizers",
        "training.trainer",
    },
    "training.baseline": {"arguments", "arrays"},
    "training.budget": {"messages"},
    "training.callbacks": {"arguments", "errors", "messages", "output", "training.progress", "training.run"},
    "training.checkpoints": {"arguments", "errors", "files.atomic", "messages", "tables"},
    "training.descent": {"network.records", "training.optimizers"},
    "training.entries": set(),
    "training.fitting": {
        "errors",
        "interrupts",
        "training.callbacks",
        "training.judge",
        "training.loop",
        "training.progress",
        "training.run",
        "training.schedules",
        "training.standing",
        "training.trainer",
    },
    "training.history": {"arrays", "training.entries"},
    "training.judge": {
        "arrays",
        "errors",
        "network.scoring",
        "training.baseline",
        "training.callbacks",
        "training.entries",
        "training.memory",
        "training.ngrams",
        "training.run",
        "training.trainer",
        "waiting",
    },
    "training.loop": {
        "arrays",
        "interrupts",
        "training.callbacks",
        "training.entries",
        "training.judge",
        "training.rollback",
        "training.run",
        "training.schedules",
        "training.standing",
        "training.trainer",
    },
    "training.memory": set(),
    "training.ngrams": {"arrays", "messages", "network.memory", "waiting"},
    "training.optimizers": {"_kernels", "arguments", "network.records", "tables"},
    "training.progress": {"training.run"},
    "training.rollback": {"arrays", "errors", "network.state", "training.trainer"},
    "training.run": {"_kernels", "arrays", "training.budget", "training.history"},
    "training.schedules": {"arguments", "arrays", "errors", "messages", "tables"},
    "training.speed": {"arrays", "network.architecture", "network.memory", "network.state", "training.trainer"},
    "training.standing": {
        "arrays",
        "network.state",
        "training.history",
        "training.judge",
        "training.memory",
        "training.run",
    },
    "training.trainer": {
        "_kernels",
        "arrays",
        "messages",
        "network.architecture",
        "network.engine",
        "network.growth",
        "network.memory",
        "network.pace",
        "network.records",
        "network.state",
        "network.teams",
        "training.windows",
    },
    "training.windows": {"arrays", "network.records"},
    # house
    "__init__": {"beginning", "errors", "model", "text.vocabulary", "training.callbacks", "versions"},
    "beginning": set(),
    "choosing": {"derived", "errors", "parameters", "recipes", "text.corpus", "training.speed"},
    "datasets": {"text.datasets"},
    "derived": {
        "errors",
        "messages",
        "network.architecture",
        "parameters",
        "tables",
        "training.descent",
        "training.optimizers",
    },
    "examiner": {
        "arguments",
        "arrays",
        "errors",
        "reader",
        "sampling.novelty",
        "tables",
        "text.corpus",
        "text.reading",
        "text.vocabulary",
        "trained",
    },
    "gradients": {"arguments", "errors", "messages", "network.engine", "tables", "text.corpus", "trained"},
    "learner": {
        "arguments",
        "derived",
        "errors",
        "network.state",
        "output",
        "parameters",
        "tables",
        "tasks",
        "text.corpus",
        "text.vocabulary",
        "trained",
        "training.budget",
        "training.history",
        "training.run",
        "training.schedules",
        "turns",
        "writer",
    },
    "model": {
        "arguments",
        "derived",
        "learner",
        "parameters",
        "tables",
        "tasks",
        "text.corpus",
        "training.budget",
        "training.callbacks",
        "turns",
    },
    "observer": {"arrays", "examiner", "messages", "network.memory", "trained"},
    "optim": {"training.optimizers", "training.schedules"},
    "parameters": {
        "arguments",
        "messages",
        "network.cells",
        "network.precision",
        "presets",
        "tables",
        "training.optimizers",
        "training.schedules",
    },
    "presets": {"arguments", "errors", "messages"},
    "reader": {
        "arguments",
        "arrays",
        "derived",
        "errors",
        "gradients",
        "messages",
        "parameters",
        "tables",
        "text.corpus",
        "text.vocabulary",
        "trained",
        "turns",
    },
    "recipes": {"derived", "parameters", "training.ngrams"},
    "resuming": {
        "derived",
        "errors",
        "files.atomic",
        "files.checkpoint_file",
        "files.container",
        "network.architecture",
        "network.memory",
        "network.records",
        "network.state",
        "parameters",
        "tables",
        "tasks",
        "text.corpus",
        "text.vocabulary",
        "trained",
        "training.budget",
        "training.checkpoints",
        "training.descent",
        "training.entries",
        "training.history",
        "training.memory",
        "training.ngrams",
        "training.run",
        "training.standing",
        "training.windows",
    },
    "tasks": {"arrays", "derived", "parameters", "text.corpus", "training.budget", "training.callbacks"},
    "trained": {
        "arguments",
        "arrays",
        "derived",
        "errors",
        "network.architecture",
        "network.state",
        "parameters",
        "tables",
        "text.vocabulary",
        "training.history",
        "training.optimizers",
        "turns",
    },
    "turns": set(),
    "versions": {"_kernels"},
    "writer": {
        "arguments",
        "arrays",
        "errors",
        "network.architecture",
        "network.memory",
        "observer",
        "tables",
        "text.vocabulary",
        "trained",
        "turns",
    },
    # serving
    "serving.answers": {"serving.completions", "serving.refusals", "serving.scores", "serving.texts"},
    "serving.application": {
        "__init__",
        "messages",
        "serving.answers",
        "serving.completions",
        "serving.desk",
        "serving.gate",
        "serving.limits",
        "serving.refusals",
        "serving.texts",
    },
    "serving.completions": {
        "arguments",
        "messages",
        "sampling.settings",
        "serving.desk",
        "serving.limits",
        "serving.refusals",
        "tables",
        "text.vocabulary",
    },
    "serving.desk": {
        "arrays",
        "network.memory",
        "sampling.limits",
        "sampling.rules",
        "sampling.seeds",
        "sampling.settings",
        "serving.pool",
        "serving.soloists",
        "serving.texts",
        "writer",
    },
    "serving.gate": {"messages", "serving.answers", "serving.refusals"},
    "serving.limits": {"arguments", "tables"},
    "serving.pool": {"arrays", "network.architecture", "network.drawing", "network.records", "serving.texts"},
    "serving.refusals": {"errors", "messages"},
    "serving.scores": {"arrays", "sampling.sampler", "sampling.settings", "writer"},
    "serving.server": {"__init__", "errors", "messages", "serving.application", "serving.gate", "serving.limits"},
    "serving.soloists": {"sampling.sampler", "serving.pool", "serving.scores", "serving.texts", "writer"},
    "serving.texts": {
        "arrays",
        "network.architecture",
        "network.records",
        "sampling.rules",
        "sampling.stops",
        "serving.scores",
    },
    # lab
    "lab.entries": {"arrays", "network.architecture"},
    "lab.experiments": {
        "__init__",
        "arguments",
        "arrays",
        "benchmark",
        "derived",
        "errors",
        "messages",
        "parameters",
        "training.callbacks",
    },
    "lab.explorer": {
        "arguments",
        "arrays",
        "errors",
        "files.atomic",
        "lab.passages",
        "lab.properties",
        "lab.tracking",
        "lab.visible",
        "tables",
        "trained",
    },
    "lab.gradcheck": {"arrays", "lab.entries", "lab.gradient_table", "network.architecture", "network.engine"},
    "lab.gradient_table": set(),
    "lab.heatmap": {"arrays", "errors", "lab.passages", "lab.visible", "messages", "trained"},
    "lab.model_check": {"lab.gradcheck", "lab.gradient_table", "output", "text.corpus", "text.reading", "trained"},
    "lab.notebook": {"parameters", "trained"},
    "lab.page": {
        "__init__",
        "derived",
        "lab.experiments",
        "lab.gradient_table",
        "lab.plots",
        "network.evaluation",
        "network.scoring",
        "network.state",
        "versions",
    },
    "lab.passages": {
        "arrays",
        "errors",
        "messages",
        "network.memory",
        "network.watching",
        "text.corpus",
        "text.vocabulary",
        "trained",
    },
    "lab.plots": {"arrays"},
    "lab.properties": {"arrays"},
    "lab.report": {
        "__init__",
        "arguments",
        "errors",
        "files.atomic",
        "gradients",
        "lab.experiments",
        "lab.gradient_table",
        "lab.page",
        "messages",
        "network.state",
        "parameters",
        "tables",
        "text.corpus",
        "text.reading",
        "training.budget",
        "training.run",
    },
    "lab.surprise": {"arrays", "examiner", "lab.passages", "lab.visible", "trained"},
    "lab.terminal": {"lab.surprise", "lab.visible"},
    "lab.tracking": {
        "arguments",
        "arrays",
        "errors",
        "lab.passages",
        "lab.properties",
        "messages",
        "tables",
        "trained",
    },
    "lab.visible": set(),
    # benchmark
    "benchmark": {"benchmark.tables", "benchmark.twin"},
    "benchmark.competitors": {
        "__init__",
        "arrays",
        "benchmark.in_jax",
        "benchmark.in_torch",
        "benchmark.jobs",
        "benchmark.twin",
        "network.architecture",
        "network.state",
        "training.descent",
        "training.optimizers",
        "training.trainer",
    },
    "benchmark.in_jax": {"arrays", "benchmark.jobs", "network.cells", "training.optimizers"},
    "benchmark.in_torch": {"arrays", "benchmark.jobs", "training.optimizers"},
    "benchmark.jobs": {"arrays", "network.cells"},
    "benchmark.measuring": {"_kernels", "benchmark.jobs"},
    "benchmark.tables": {"_kernels", "benchmark.competitors", "benchmark.jobs", "benchmark.measuring", "datasets"},
    "benchmark.twin": {"arrays", "benchmark.jobs", "network.initial"},
    "benchmark.worker": {"__init__", "benchmark.competitors", "benchmark.jobs", "benchmark.measuring"},
    # cli
    "__main__": {"cli"},
    "benchmark.__main__": {"cli"},
    "cli": {"cli.commands", "cli.console", "cli.failures", "cli.job", "interrupts", "training.budget"},
    "cli.command": {"cli.inputs", "cli.job", "cli.options", "cli.rows", "text.documents"},
    "cli.commands": {
        "__init__",
        "cli.command",
        "cli.examining",
        "cli.failures",
        "cli.looking",
        "cli.options",
        "cli.parser",
        "cli.reading",
        "cli.seeing",
        "cli.serve",
        "cli.together",
        "cli.train",
        "cli.writing",
    },
    "cli.console": {"cli.failures", "output", "training.progress"},
    "cli.corpora": {
        "__init__",
        "cli.console",
        "cli.failures",
        "cli.inputs",
        "cli.options",
        "output",
        "sampling.novelty",
        "text.corpus",
        "text.reading",
        "text.records",
        "trained",
    },
    "cli.draft": {"__init__", "arguments", "sampling.session"},
    "cli.examining": {
        "__init__",
        "cli.command",
        "cli.console",
        "cli.corpora",
        "cli.failures",
        "cli.job",
        "cli.options",
        "cli.rows",
        "errors",
        "output",
    },
    "cli.failures": {"errors", "messages"},
    "cli.inputs": {
        "cli.console",
        "cli.failures",
        "cli.options",
        "output",
        "text.datasets",
        "text.decoding",
        "text.documents",
        "text.formats",
    },
    "cli.job": {
        "__init__",
        "cli.failures",
        "cli.inputs",
        "cli.options",
        "files.atomic",
        "interrupts",
        "network.architecture",
        "parameters",
        "tables",
        "training.checkpoints",
    },
    "cli.looking": {
        "__init__",
        "cli.command",
        "cli.console",
        "cli.failures",
        "cli.inputs",
        "cli.job",
        "cli.options",
        "cli.rows",
        "tables",
    },
    "cli.options": {"arguments", "cli.failures", "presets", "tables"},
    "cli.parser": {"arguments", "cli.failures"},
    "cli.reading": {"__init__", "cli.command", "cli.console", "cli.job", "cli.options", "cli.rows"},
    "cli.rows": {
        "__init__",
        "arguments",
        "cli.options",
        "parameters",
        "presets",
        "sampling.kinds",
        "tables",
        "text.datasets",
        "text.documents",
    },
    "cli.screen": {"cli.draft", "output"},
    "cli.seeing": {
        "cli.command",
        "cli.console",
        "cli.failures",
        "cli.inputs",
        "cli.job",
        "cli.options",
        "cli.rows",
        "examiner",
        "output",
    },
    "cli.serve": {
        "__init__",
        "arguments",
        "cli.command",
        "cli.console",
        "cli.failures",
        "cli.inputs",
        "cli.job",
        "cli.options",
        "cli.rows",
    },
    "cli.together": {
        "cli.command",
        "cli.console",
        "cli.corpora",
        "cli.failures",
        "cli.inputs",
        "cli.job",
        "cli.options",
        "cli.rows",
        "files.atomic",
        "sampling.settings",
        "text.decoding",
    },
    "cli.train": {
        "__init__",
        "cli.command",
        "cli.console",
        "cli.failures",
        "cli.job",
        "cli.options",
        "cli.rows",
        "derived",
        "learner",
        "messages",
        "network.cells",
        "resuming",
        "trained",
        "training.checkpoints",
        "training.run",
    },
    "cli.writing": {
        "__init__",
        "cli.command",
        "cli.console",
        "cli.corpora",
        "cli.failures",
        "cli.inputs",
        "cli.job",
        "cli.options",
        "cli.rows",
        "output",
        "sampling.settings",
    },
}
# Module -> what it imports only inside functions.
LATE: dict[str, set[str]] = {
    "__init__": {
        "datasets",
        "optim",
        "sampling.novelty",
        "sampling.settings",
        "text.documents",
        "training.checkpoints",
    },
    "cli.looking": {"benchmark", "lab.report"},
    "cli.screen": {"lab.visible"},
    "cli.seeing": {"files.atomic", "lab.explorer", "lab.surprise", "lab.terminal"},
    "cli.serve": {"serving.limits", "serving.server"},
    "cli.together": {"cli.draft", "cli.screen"},
    "examiner": {"network.evaluation"},
    "gradients": {"lab.gradcheck", "lab.gradient_table", "lab.model_check"},
    "lab.heatmap": {"lab.plots"},
    "learner": {
        "choosing",
        "network.growth",
        "resuming",
        "sampling.sampler",
        "sampling.settings",
        "training.callbacks",
        "training.fitting",
        "training.judge",
        "training.ngrams",
        "training.standing",
        "training.trainer",
    },
    "model": {"resuming"},
    "network.evaluation": {"network.unsmoothing"},
    "observer": {"network.watching"},
    "reader": {"network.evaluation", "training.adaptation"},
    "text.corpus": {"text.reading"},
    "trained": {"files.container", "files.model_file", "lab.notebook", "network.growth", "training.ngrams"},
    "training.callbacks": {"sampling.settings"},
    "training.checkpoints": {"training.run"},
    "training.history": {"lab.notebook", "lab.plots"},
    "training.ngrams": {"training.baseline"},
    "training.run": {"training.standing"},
    "writer": {
        "sampling.batch",
        "sampling.beam",
        "sampling.limits",
        "sampling.rules",
        "sampling.sampler",
        "sampling.seeds",
        "sampling.session",
        "sampling.settings",
    },
}


class Import(NamedTuple):
    """An import of one of ours: where it stands, what it names, and whether it waits for a call."""

    line: int
    target: str
    late: bool


def package() -> Path:
    """The folder of the package that `import pycharrnn` finds: the installed one."""
    spec = importlib.util.find_spec("pycharrnn")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(next(iter(spec.submodule_search_locations)))


def modules(folder: Path) -> dict[str, Path]:
    """Every module of a package by its dotted name: a folder goes by its own name, the package itself by __init__."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix not in {".py", ".pyi", ".so", ".pyd"}:
            continue
        parts = [*path.relative_to(folder).parts[:-1], path.name.split(".")[0]]
        name = ".".join(parts)
        if len(parts) > 1:
            name = name.removesuffix(".__init__")
        if name not in found or path.suffix == ".py":
            found[name] = path
    return found


def floor(module: str) -> str:
    """The floor that a module lies on."""
    if module in GROUND:
        return "ground"
    if module.endswith("__main__"):
        return "cli"
    return "house" if module in HOUSE else module.partition(".")[0]


def imports(path: Path, module: str, known: set[str]) -> Iterator[Import]:
    """Yield every import of ours in a file. A name of the package that is no module comes out of `__init__`."""
    is_package = path.stem == "__init__"
    package_name = ".".join(["pycharrnn", *module.split(".")][: None if is_package and module != "__init__" else -1])

    def visit(node: ast.AST, late: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            for full in full_names(child, package_name):
                if full == "pycharrnn" or full.startswith("pycharrnn."):
                    yield Import(child.lineno, module_of(full, known), late)  # type: ignore[attr-defined]
            yield from visit(child, late or waits(child))

    yield from visit(ast.parse(path.read_bytes()), late=False)


def waits(node: ast.AST) -> bool:
    """Whether the code in the node runs only when a function is called, or never."""
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))


def full_names(node: ast.AST, package_name: str) -> list[str]:
    """What an import statement names, in full."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        source = importlib.util.resolve_name("." * node.level + (node.module or ""), package_name)
        return [f"{source}.{alias.name}" for alias in node.names]
    return []


def module_of(full: str, known: set[str]) -> str:
    """The module that a full name lies in."""
    name = full.partition(".")[2]
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name or "__init__"


def violations(folder: Path) -> list[str]:
    """Return "file:line: what is wrong" for every import that the tables do not allow."""
    found = modules(folder)
    known = found.keys() | MODULES.keys() | GROUND
    return [
        f"{path.relative_to(folder).as_posix()}:{line}: {module} must not import {target}" + " when it is called" * late
        for module, path in found.items()
        if path.suffix in {".py", ".pyi"}
        for line, target, late in imports(path, module, known)
        if target not in MODULES.get(module, set()) | (LATE.get(module, set()) if late else set())
    ]


def used(late: bool) -> dict[str, set[str]]:
    """What each module of the package imports: at the top, or only in a function."""
    found = modules(package())
    rows: dict[str, set[str]] = {}
    for module, path in found.items():
        if path.suffix == ".py":
            every = list(imports(path, module, found.keys() | GROUND))
            top = {each.target for each in every if not each.late}
            rows[module] = {each.target for each in every} - top if late else top
    return rows


def test_the_table_has_every_module_and_no_other() -> None:
    folders = {floor for floor in FLOORS if floor not in MODULES}  # whose __init__ imports nothing of ours
    assert modules(package()).keys() - {"_kernels"} - folders == MODULES.keys()


def test_every_floor_and_every_named_module_exists() -> None:
    assert {floor(module) for module in MODULES} == FLOORS.keys()
    assert modules(package()).keys() >= GROUND | HOUSE
    assert LATE.keys() <= MODULES.keys()


@pytest.mark.parametrize(("table", "late"), [("MODULES", False), ("LATE", True)])
def test_no_row_allows_what_nothing_needs(table: str, late: bool) -> None:
    needed = used(late)
    assert {module: row - needed[module] for module, row in globals()[table].items() if row - needed[module]} == {}


def test_no_floor_may_know_what_it_does_not_need() -> None:
    needed: dict[str, set[str]] = {name: set() for name in FLOORS}
    for module, row in MODULES.items():
        needed[floor(module)] |= {floor(target) for target in row} - {floor(module)}
    assert needed == FLOORS


def test_floors_and_modules_have_no_cycle() -> None:
    assert len(list(graphlib.TopologicalSorter(FLOORS).static_order())) == len(FLOORS)
    assert len(list(graphlib.TopologicalSorter(MODULES).static_order())) == len(MODULES.keys() | GROUND)


def test_imports_go_one_way() -> None:
    assert violations(package()) == []


@pytest.mark.parametrize(
    ("spelling", "target"),
    [
        ("from pycharrnn.model import CharRNN", "model"),
        ("from pycharrnn import model", "model"),
        ("from pycharrnn import CharRNN", "__init__"),
        ("from pycharrnn import *", "__init__"),
        ("from .. import model", "model"),
        ("from ..lab import plots as drawing, report as page", "lab.report"),
        ("from .. import CharRNN", "__init__"),
        ("from ..model import CharRNN", "model"),
        ("import pycharrnn.model", "model"),
        ("import os, pycharrnn.model as face", "model"),
        ("import pycharrnn", "__init__"),
        ("from pycharrnn.lab.report import write", "lab.report"),
        ("from . import callbacks", "training.callbacks"),
        ("from ..text.vocabulary import Vocabulary", "text.vocabulary"),
    ],
)
@pytest.mark.parametrize(
    ("place", "late"),
    [
        ("{}\n", False),
        ("def late():\n    {}\n", True),
        ("class A:\n    def late(self):\n        if self:\n            {}\n", True),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {}\n", True),
        ("try:\n    {}\nexcept ImportError:\n    pass\n", False),
    ],
    ids=["top", "function", "method", "typing", "try"],
)
def test_an_upward_import_is_refused(tmp_path: Path, spelling: str, target: str, place: str, late: bool) -> None:
    file = tmp_path / "training" / "budget.py"
    file.parent.mkdir()
    file.write_text(place.format(spelling))
    line = place[: place.index("{}")].count("\n") + 1
    wanted = f"training/budget.py:{line}: training.budget must not import {target}" + " when it is called" * late
    assert wanted in violations(tmp_path)


def test_a_late_import_is_refused_at_the_top(tmp_path: Path) -> None:
    file = tmp_path / "training" / "history.py"
    file.parent.mkdir()
    file.write_text("def plot():\n    from pycharrnn.lab import plots\n")
    assert violations(tmp_path) == []
    file.write_text("from pycharrnn.lab import plots\n")
    assert violations(tmp_path) == ["training/history.py:1: training.history must not import lab.plots"]


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("training/loop.py", "import pycharrnn_like.model, os.path"),
        ("training/loop.py", "from logging.config import model"),
        ("training/loop.py", "from .run import Run"),
        ("__main__.py", "from .cli import main"),
        ("__init__.py", "from .model import CharRNN"),
    ],
)
def test_other_imports_are_allowed(tmp_path: Path, file: str, line: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(line)
    assert violations(tmp_path) == []


def test_a_module_outside_the_table_may_import_nothing_of_ours(tmp_path: Path) -> None:
    (tmp_path / "newcomer.py").write_text("from .text.vocabulary import Vocabulary")
    assert modules(tmp_path).keys() - MODULES.keys() == {"newcomer"}
    assert violations(tmp_path) == ["newcomer.py:1: newcomer must not import text.vocabulary"]


def test_a_stub_obeys_the_table_too(tmp_path: Path) -> None:
    (tmp_path / "_kernels.pyi").write_text("from .network.engine import Engine")
    assert violations(tmp_path) == ["_kernels.pyi:1: _kernels must not import network.engine"]
