"""Every public name has a complete docstring in NumPy's style, as numpydoc's own validation sees it."""

import importlib
import inspect

import pytest

validate = pytest.importorskip("numpydoc.validate").validate

# The modules whose `__all__` is public, and the classes whose objects the library makes and its users read.
MODULES = ["pycharrnn", "pycharrnn.optim", "pycharrnn.text.datasets", "pycharrnn.benchmark"]
MADE = ["pycharrnn.training.run.Run", "pycharrnn.training.history.History", "pycharrnn.text.documents.Documents"]
MADE += ["pycharrnn.sampling.session.Session", "pycharrnn.sampling.session.Moment"]

# Layout and taste rather than content: a summary on the opening quotes' line (GL01), closing quotes on the last line
# (GL02), blank lines (GL03), a second paragraph (ES01) and a list of related names (SA01).
TASTE = {"GL01", "GL02", "GL03", "ES01", "SA01"}
# The class's example shows its methods, too (EX01).
OF_A_METHOD = TASTE | {"EX01"}
# Nobody calls the constructor: the attributes are documented instead of its parameters (PR01).
OF_A_CLASS_MADE_HERE = TASTE | {"PR01"}


def _ancestors(cls):
    return [base for base in cls.__mro__ if base.__module__.startswith("pycharrnn")]


def _own_methods(cls):
    """Return the names of the public methods that this class is the first to have, the last in its line of descent."""
    earlier = {name for base in cls.__mro__[1:] for name in vars(base)}
    return [
        name for name in vars(cls) if not name.startswith("_") and name not in earlier and callable(getattr(cls, name))
    ]


def _public():
    """Return the import path of each public class, function and method, with the checks that do not concern it."""
    things = []
    for path in MODULES:
        module = importlib.import_module(path)
        things += [getattr(module, name) for name in module.__all__ if not inspect.ismodule(getattr(module, name))]
    made = []
    for path in MADE:
        module, _, name = path.rpartition(".")
        made.append(getattr(importlib.import_module(module), name))
    checks = {}
    for thing in [*things, *made]:
        path = f"{thing.__module__}.{thing.__qualname__}"
        checks[path] = OF_A_CLASS_MADE_HERE if thing in made else TASTE
        for cls in _ancestors(thing) if inspect.isclass(thing) else ():
            checks |= {f"{cls.__module__}.{cls.__qualname__}.{name}": OF_A_METHOD for name in _own_methods(cls)}
    return sorted(checks.items())


@pytest.mark.parametrize(("path", "ignored"), [pytest.param(*case, id=case[0]) for case in _public()])
def test_the_docstring_is_complete(path, ignored):
    faults = validate(path)["errors"]
    assert [f"{code}: {text}" for code, text in faults if code not in ignored] == []
