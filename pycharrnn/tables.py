"""Tables of parameters: what the signature of a function or class says of each, for checks, options and docstrings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

from pycharrnn.arguments import Kind

REQUIRED: Any = type("Required", (), {"__repr__": lambda self: "REQUIRED"})()  # the default where there is none


class Parameter(NamedTuple):
    """A parameter of a function or class.

    Attributes
    ----------
    name : str
        Its name in Python.
    kind : Kind
        What it may be.
    default : object
        Its value if none is given; `REQUIRED` if one must be.
    meaning : str
        What it is for: sentences, on one line.
    """

    name: str
    kind: Kind
    default: Any
    meaning: str

    def check(self, value: Any) -> None:
        """Raise an error that names the parameter unless `value` is of its kind."""
        self.kind.check(self.name, value)

    @property
    def entry(self) -> str:
        """Its lines in the Parameters section of a docstring."""
        import textwrap  # only now: most programs read no docstring

        shown = f'"{self.default}"' if isinstance(self.default, str) else repr(self.default)
        default = "" if self.default is REQUIRED else f", default {shown}"
        return f"{self.name} : {self.kind.type}{default}\n{textwrap.indent(textwrap.fill(self.meaning, 112), '    ')}"


Table = dict[str, Parameter]
_TABLES: dict[Callable[..., Any], Table] = {}  # each is collected once


def table(function: Callable[..., Any]) -> Table:
    """Collect the parameters of a function or class whose annotations have a `Kind`.

    Parameters
    ----------
    function : callable
        Its parameters are ``name: Annotated[type, kind, meaning]``. Without a meaning there, the docstring has it. A
        parameter with no kind is left out.

    Returns
    -------
    dict of str to Parameter
        By name, in the order of the signature.

    Examples
    --------
    >>> from typing import Annotated
    >>> from pycharrnn.arguments import Integer
    >>> def write(length: Annotated[int, Integer(0, 99), "Characters to write."] = 9) -> str: ...
    >>> length = table(write)["length"]
    >>> length.kind.range, length.default, length.meaning
    ('from 0 to 99', 9, 'Characters to write.')
    """
    if function not in _TABLES:
        _TABLES[function] = _collected(function)
    return _TABLES[function]


def _collected(function: Callable[..., Any]) -> Table:
    """Read the signature of a function or class, and its docstring."""
    import inspect
    import typing

    annotated: Any = inspect.unwrap(function)
    if isinstance(function, type):
        annotated = annotated.__init__
    notes = {name: note for name, note in annotated.__annotations__.items() if "Annotated" in str(note)}
    hints = typing.get_type_hints(SimpleNamespace(__annotations__=notes), annotated.__globals__, include_extras=True)
    found: Table = {}
    for name, parameter in inspect.signature(function).parameters.items():
        about = getattr(hints.get(name), "__metadata__", ())
        for kind in (note for note in about if isinstance(note, Kind)):
            meaning = next((note for note in about if isinstance(note, str)), "")
            default = REQUIRED if parameter.default is parameter.empty else parameter.default
            found[name] = Parameter(name, kind, default, meaning)
    if any(not row.meaning for row in found.values()):
        documented = meanings(inspect.getdoc(function) or "")
        found = {name: row._replace(meaning=row.meaning or documented.get(name, "")) for name, row in found.items()}
    return found


def check(rows: Table, **values: Any) -> dict[str, Any]:
    """Check each value by the row of its name.

    Returns
    -------
    dict of str to object
        The values by name, numbers as Python's own.

    Raises
    ------
    ParameterValueError, ParameterTypeError
        If a value is not of the kind that its parameter must be.

    Examples
    --------
    >>> from pycharrnn.training.optimizers import Adam
    >>> check(Adam.rows(), beta1=1.5)
    Traceback (most recent call last):
    pycharrnn.errors.ParameterValueError: beta1 must be below 1, got 1.5
    """
    for name, value in values.items():
        rows[name].check(value)
    return {name: rows[name].kind.native(value) for name, value in values.items()}


class Checked:
    """A dataclass whose fields are a table: each is checked when an object is made, and numbers become Python's own.

    Examples
    --------
    >>> from pycharrnn.training.optimizers import Adam
    >>> Adam(beta1=0).numbers()
    {'beta1': 0, 'beta2': 0.999, 'eps': 1e-08}
    """

    @classmethod
    def rows(cls) -> Table:
        """Return the table of the fields; a subclass may have a constructor of its own."""
        return table(next(kind for kind in cls.__mro__ if "__dataclass_fields__" in vars(kind)))

    def __post_init__(self) -> None:
        for name, value in check(self.rows(), **{name: getattr(self, name) for name in self.rows()}).items():
            object.__setattr__(self, name, value)  # it may be frozen

    def numbers(self) -> dict[str, Any]:
        """List the values of the fields.

        Returns
        -------
        dict of str to object
            By name, as a file has them: numbers, and a list for a sequence.
        """
        return {name: row.kind.plain(getattr(self, name)) for name, row in self.rows().items()}


def meanings(docstring: str) -> dict[str, str]:
    r"""Return what the Parameters section of a NumPy docstring says of each parameter, on one line.

    Examples
    --------
    >>> meanings("Add.\n\nParameters\n----------\na, b : int\n    What is\n    added.\n\nReturns\n-------\nint")
    {'a': 'What is added.', 'b': 'What is added.'}
    """
    lines = docstring.partition("Parameters\n----------\n")[2].split("\n")
    found: dict[str, str] = {}
    names: Sequence[str] = ()
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if below and not below.strip("-"):
            break  # the title of the next section
        if line.startswith(" "):
            found |= {name: f"{found[name]} {line.strip()}".lstrip() for name in names}
        elif line:
            names = line.partition(" : ")[0].split(", ")
            found |= dict.fromkeys(names, "")
    return found


class PlainSignature:
    """The signature of a class whose parameters are a table, as `help` shows it: with types, without kinds."""

    def __get__(self, instance: object, owner: type) -> Any:
        import inspect
        import typing

        def plain(annotation: Any) -> Any:
            if typing.get_origin(annotation) is not typing.Annotated:
                return annotation
            shown = typing.get_args(annotation)[0]
            return getattr(shown, "__forward_arg__", shown)  # a type that is written as a text

        own = inspect.signature(owner.__init__)  # type: ignore[misc]
        shown = [one.replace(annotation=plain(one.annotation)) for one in list(own.parameters.values())[1:]]
        return own.replace(parameters=shown, return_annotation=inspect.Signature.empty)


class Docstring:
    """The docstring of a class whose parameters are a table: made when somebody reads it, so that no import waits.

    Parameters
    ----------
    text : str
        The docstring, with ``{parameters}`` where the entries of its Parameters section belong.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def __get__(self, instance: object, owner: type) -> str:
        import inspect

        return inspect.cleandoc(self.text).replace(
            "{parameters}", "\n".join(row.entry for row in table(owner).values())
        )
