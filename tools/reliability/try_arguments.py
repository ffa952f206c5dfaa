"""Arguments: each of every public callable gets nonsense. It is told by name, and the model stays as it was."""

from __future__ import annotations

import contextlib
import copy
import decimal
import functools
import inspect
import io
import os
import pickle
import signal
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from rows import Finding, row, scratch

import pycharrnn
from pycharrnn import CharRNN, Checkpoint, NoveltyIndex, SampleText, Sampling, Vocabulary, datasets, optim
from pycharrnn.errors import ModelFileError, NotFittedError, TrainingDivergedError
from pycharrnn.sampling.session import Session
from pycharrnn.training.checkpoints import checkpoints_in
from pycharrnn.training.schedules import SCHEDULES

TEXT = "hello world, hello moon. " * 8
SECONDS = 0.3  # what goes on for so long was accepted
OUTSIDE = ("path", "folder", "X", "validation", "corpus", "length", "n", "n_samples")  # files, or sizes of what is made
LONGEST = 1200  # characters of a message


class Sullen:
    """Nothing can be done with it."""

    def refuse(self, *args: Any) -> Any:
        raise RuntimeError("no")

    __index__ = __float__ = __len__ = __bool__ = refuse  # type: ignore[assignment]
    __repr__ = __str__ = refuse  # type: ignore[assignment]


class Text(str):
    """A str of another class."""


NONSENSE: dict[str, Any] = {
    "None": None, "True": True, "'text'": "text", "''": "", "b'text'": b"text", "-1": -1, "0": 0, "2": 2,
    "2**31": 2**31, "2**63": 2**63, "10**400": 10**400, "0.5": 0.5, "-0.5": -0.5, "nan": float("nan"),
    "inf": float("inf"), "-inf": float("-inf"), "1e308": 1e308, "5e-324": 5e-324,
    "[]": [], "[1]": [1], "['a', 5]": ["a", 5], "{}": {},
    "{1: 2}": {1: 2}, "object()": object(), "1j": 1j, "Decimal": decimal.Decimal("0.5"), "generator": (i for i in ()),
    "array": np.array([1.0, 2.0]), "array(3)": np.array(3), "float32": np.float32(0.5), "int8": np.int8(3),
    "timedelta": np.timedelta64(3, "s"), "class": int, "lambda": lambda: None, "surrogate": "\ud800", "NUL": "a\0b",
    "Text": Text("hello"), "long": "x" * 50_000, "Sullen": Sullen(), "longdouble": np.longdouble("1e400"),
}  # fmt: skip
# Values that no argument at all may have.
NEVER = {"object()", "1j", "Decimal", "timedelta"}


class Call(NamedTuple):
    """A public callable, and arguments with which it works.

    Attributes
    ----------
    name : str
        What it is called.
    function : callable
        It gets the model and the arguments.
    arguments : dict
        Those that it needs.
    others : collection of str
        Those that it may have.
    """

    name: str
    function: Callable[..., Any]
    arguments: dict[str, Any]
    others: frozenset[str]

    @property
    def names(self) -> list[str]:
        """Of all arguments."""
        return sorted(self.arguments.keys() | self.others)


def stop(run: Any) -> bool:
    """A callback that ends the training."""
    return True


def arguments_of(function: Callable[..., Any], sampling: bool) -> frozenset[str]:
    """The names in the signature, and those of the settings if it takes these."""
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    found = {name for name, one in inspect.signature(function).parameters.items() if one.kind not in kinds}
    return frozenset((found | (Sampling.rows().keys() if sampling else set())) - {"self", "y"})


def method(name: str, *, sampling: bool = False, after: Callable[[Any], Any] | None = None, **arguments: Any) -> Call:
    """A method of a trained model."""

    def call(model: CharRNN, **given: Any) -> Any:
        found = getattr(model, name)(**given)
        return found if after is None else after(found)

    return Call(name, call, arguments, arguments_of(getattr(CharRNN, name), sampling))


def of_class(kind: Any, sampling: bool = False, **arguments: Any) -> Call:
    """A class, or another callable, that knows no model."""
    name = getattr(kind, "__qualname__", str(kind))
    return Call(name, lambda model, **given: kind(**given), arguments, arguments_of(kind, sampling))


def session(name: str, **arguments: Any) -> Call:
    """A method of a session, which is a new text."""
    others = arguments_of(getattr(Session, name), False)
    return Call(f"Session.{name}", lambda model, **given: getattr(model.session(), name)(**given), arguments, others)


def constructed(model: CharRNN, **params: Any) -> CharRNN:
    """Train a new model with these parameters; then what it is must be saved, and come back."""
    new = CharRNN(**({"hidden_size": 4, "max_updates": 1} | params))
    before = repr(sorted(vars(new)))
    try:
        new.fit(TEXT, callbacks=[stop])
    except TrainingDivergedError:
        raise
    except BaseException:
        assert repr(sorted(vars(new))) == before, "a failing fit has left something"
        raise
    new.save("saved")
    again = CharRNN.load("saved")
    again.save("again")
    with open("saved", "rb") as one, open("again", "rb") as two:
        assert one.read() == two.read(), "what fit accepts does not come back"
    return new


def calls() -> list[Call]:
    """Every public callable."""
    quick: dict[str, Any] = {"callbacks": [stop]}
    small: dict[str, Any] = {"text": TEXT, "seq_lengths": (3,), "max_entries": 2, "max_seconds": 1.0}
    found = [
        Call("CharRNN", constructed, {}, frozenset(inspect.signature(CharRNN).parameters)),
        method("fit", X=TEXT, **quick), method("partial_fit", X=TEXT, **quick), method("score", X=TEXT),
        method("evaluate", X=TEXT), method("adapt", X=TEXT), method("surprise", X=TEXT), method("log_proba", X=TEXT),
        method("activations", X="hello"),
        method("rank", texts=["hello", "moon"]), method("novelty", text="hello", corpus=TEXT),
        method("sample", sampling=True, length=5), method("stream", sampling=True, length=5, after=list),
        method("session", sampling=True, after=lambda session: session.write(3)), method("save", path="saved"),
        method("loss_and_gradients", text="hello"), method("check_gradients", **small),
        Call("load", lambda model, **given: CharRNN.load(**given), {"path": "model"}, frozenset()),
        Call("resume", lambda model, **given: CharRNN.resume(**given), {"path": "checkpoint", "X": TEXT} | quick,
             arguments_of(CharRNN.resume, False)),
        Call("set_params", lambda model, **given: model.set_params(**given), {"hidden_sizes": 4}, frozenset()),
        of_class(CharRNN.preset, name="quick"),
        session("feed", text="hello"), session("write", n=3), session("restore", moment=None),
        of_class(Sampling), of_class(SampleText, sampling=True), of_class(NoveltyIndex, corpus=TEXT),
        of_class(Checkpoint, folder="folder"),
        of_class(Vocabulary, code_points=[97, 98]), of_class(Vocabulary.from_text, text=TEXT),
        of_class(datasets.load, name="names"), of_class(pycharrnn.read_documents, path="lines.txt"),
        Call("encode", lambda model, **given: model.vocabulary_.encode(**given), {"text": "hello"},
             arguments_of(Vocabulary.encode, False)),
        Call("decode", lambda model, **given: model.vocabulary_.decode(**given), {"ids": [0, 1]}, frozenset()),
        *(of_class(kind) for kind in SCHEDULES.values()),
        *(of_class(getattr(optim, name)) for name in ("SGD", "Momentum", "AdaGrad", "RMSProp", "Adam")),
    ]  # fmt: skip
    return found


def attempt(call: Call, model: CharRNN, name: str, told: str) -> BaseException | None:
    """Make the call with this nonsense; return the error. One that goes on for long is stopped, and was accepted."""

    def enough(*args: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, enough)
    limit = 10 * SECONDS if told in NEVER else SECONDS  # on a busy machine an error, too, takes a while
    signal.setitimer(signal.ITIMER_REAL, limit, SECONDS)  # again, for one that comes in a destructor is lost
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            call.function(model, **(call.arguments | {name: NONSENSE[told]}))
        return None
    except KeyboardInterrupt:
        return None
    except BaseException as error:
        return error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def names_it(error: BaseException, name: str) -> bool:
    """Whether a message says which argument is meant."""
    synonyms = {"X": ("X", "text", "document", "character"), "text": ("text", "character"), "texts": ("text",)}
    synonyms |= {"prompt": ("prompt", "character"), "path": ("path", "file", "directory"), "corpus": ("corpus", "text")}
    synonyms |= {"code_points": ("code_points", "code point"), "ids": ("ids", "symbol"), "moment": ("moment",)}
    synonyms |= {"folder": ("folder", "path", "file")}
    synonyms |= {
        "validation": ("validation", "document", "text"),
        "name": ("name", "corpus"),
        "targets": ("targets", "character"),
    }
    return any(word in str(error) for word in synonyms.get(name, (name,)))


def wrong(call: Call, name: str, told: str, error: BaseException | None) -> str:
    """What is wrong with an outcome."""
    if error is None:
        return "was accepted" if told in NEVER and name not in ("random_state", "log", "file") else ""
    if isinstance(error, TrainingDivergedError):
        return ""  # it keeps the best weights
    if told in ("class", "lambda") and name in ("constraint", "log", "file"):
        return ""  # an error of the function that was given
    if isinstance(error, (NotFittedError, AssertionError)) or not isinstance(error, (ValueError, TypeError)):
        if isinstance(error, (OSError, MemoryError)) and name in OUTSIDE:
            return ""  # there is no such file; that does not fit into memory
        return f"raised {type(error).__name__}: {error}"
    if len(str(error)) > LONGEST:
        return f"a message of {len(str(error)):,} characters: {str(error)[:80]}"
    if not isinstance(error, ModelFileError) and not names_it(error, name):
        return f"does not name it: {type(error).__name__}: {error}"
    return ""


@functools.cache
def trained() -> CharRNN:
    """A small model."""
    return CharRNN(hidden_size=6, max_updates=5, random_state=0).fit(TEXT)


@row("R18", "Give nonsense to each argument of every public callable")
def nonsense(full: bool) -> Finding:
    found = Finding("cells", 4000)
    model, home = trained(), os.getcwd()
    with scratch() as folder:
        os.chdir(folder)
        try:
            model.save("model")
            copy.deepcopy(model).fit(TEXT, callbacks=[Checkpoint("checkpoints"), stop])
            os.replace(checkpoints_in("checkpoints")[0], "checkpoint")
            (folder / "lines.txt").write_text("one\ntwo\n")
            for call, name, told in (cell for one in calls() for cell in cells(one)):
                subject = copy.deepcopy(model)
                before = content(subject)
                error = attempt(call, subject, name, told)
                problem = wrong(call, name, told, error)
                if not problem and error is not None and content(subject) != before:
                    problem = "the model has changed"
                found.check(not problem, f"{call.name}({name}={told})", problem)
        finally:
            os.chdir(home)
    return found


def content(model: CharRNN) -> bytes:
    """All of a model but the number of texts that it has begun."""
    return pickle.dumps({name: value for name, value in model.__getstate__().items() if name != "_n_samples"})


def cells(call: Call) -> Iterator[tuple[Call, str, str]]:
    """Each argument of a call with each value."""
    told_of = {"pattern": NONSENSE.keys() - {"long"}}  # the package regex takes minutes for it, deaf to signals
    return ((call, name, told) for name in call.names for told in NONSENSE if told in told_of.get(name, NONSENSE))
