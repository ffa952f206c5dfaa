"""Which unit tracks what: correlations of units with properties of a text, chosen on one part, stated on another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

import numpy as np

from pycharrnn.arguments import Integer
from pycharrnn.arrays import Array, Floats
from pycharrnn.errors import ParameterTypeError, ParameterValueError
from pycharrnn.lab.passages import Passage, Source, passages, snapshot, states_of, steps_of, units_of
from pycharrnn.lab.properties import OF_CODE, PROPERTIES, Property, is_code, measure
from pycharrnn.messages import shown
from pycharrnn.tables import check, table
from pycharrnn.trained import Trained, learned

__all__ = ["Tracker", "Tracking", "track"]

_FALLS = 5  # times that a property must come to an end in each part: a value that only rises is like any drift


class Tracker(NamedTuple):
    """A unit and what it tracks.

    Attributes
    ----------
    layer, state, unit : int, str, int
        Which one: the layer and the unit count from 0, as in ``model.activations(text)[state][layer, :, unit]``.
    property : str
        What it is most correlated with on the first part of the text.
    chosen : float
        That correlation, by whose size it was chosen. It is too large by luck where there are many units.
    held_out : float
        The correlation on the second part, which took no part in the choice.
    """

    layer: int
    state: str
    unit: int
    property: str
    chosen: float
    held_out: float


class Tracking(NamedTuple):
    """How each unit is correlated with each property.

    Attributes
    ----------
    units : list of (int, str, int)
        Layer, state and unit of each row.
    properties : list of str
        What each column is: the properties that come to an end, or fall, five times in both parts of the text.
    chosen, held_out : ndarray of float64, (n_units, n_properties)
        Pearson's correlations, on the first part and on the second. 0 for a unit that does not vary.
    n_characters : int
        Of both parts.
    """

    units: list[tuple[int, str, int]]
    properties: list[str]
    chosen: Floats
    held_out: Floats
    n_characters: int

    def best(self, property: str | None = None) -> list[Tracker]:
        """Return the units, those with the largest correlation on the first part first.

        Parameters
        ----------
        property : str or None, default None
            The property to sort by. None takes for each unit the one with which it is most correlated.

        Raises
        ------
        ValueError
            If the text has no such property.
        """
        if property is not None and property not in self.properties:
            known = ", ".join(map(repr, self.properties)) or "none, for the text is too short to have any"
            raise ParameterValueError("property", f"must be one of {known}; got {shown(property)}")
        if not self.properties:
            return []
        if property is None:
            columns = np.abs(self.chosen).argmax(axis=1)
        else:
            columns = np.full(len(self.units), self.properties.index(property))
        rows = np.arange(len(self.units))
        order = np.argsort(-np.abs(self.chosen[rows, columns]), kind="stable")
        found = []
        for row in order.tolist():
            layer, state, unit = self.units[row]
            column = columns[row]
            correlations = float(self.chosen[row, column]), float(self.held_out[row, column])
            found.append(Tracker(layer, state, unit, self.properties[column], *correlations))
        return found


class _Sums:
    """Sums over characters, from which correlations follow."""

    def __init__(self, n_units: int, n_properties: int) -> None:
        self.n = 0
        self.x = np.zeros(n_units)
        self.xx = np.zeros(n_units)
        self.y = np.zeros(n_properties)
        self.yy = np.zeros(n_properties)
        self.xy = np.zeros((n_units, n_properties))

    def add(self, x: Array, y: Floats) -> None:
        """Take in more characters: the units' values, (n, n_units), and the properties, (n, n_properties)."""
        x = x.astype(np.float64)
        self.n += len(x)
        self.x += x.sum(axis=0)
        self.xx += (x**2).sum(axis=0)
        self.y += y.sum(axis=0)
        self.yy += (y**2).sum(axis=0)
        self.xy += x.T @ y

    def correlations(self) -> Floats:
        """Pearson's r = cov(x, y) / (std(x) std(y)), 0 where a unit does not vary beyond rounding."""
        n = max(1, self.n)
        x, y = self.x / n, self.y / n
        vx, vy = self.xx / n - x**2, self.yy / n - y**2
        varies = vx > 1e-12 * (self.xx / n)
        scale = np.sqrt(np.where(varies, vx, 1.0)[:, None] * vy)
        found: Floats = np.where(varies[:, None], (self.xy / n - x[:, None] * y) / scale, 0.0)
        return np.clip(found, -1, 1)


def track(
    model: Trained,
    X: Source,
    properties: Mapping[str, Property] | None = None,
    most: Annotated[int, Integer(100, 2**31)] = 50_000,
) -> Tracking:
    """Find out what the units of a model track in some texts.

    Parameters
    ----------
    model : CharRNN
        A trained model.
    X : str, sequence of str, or mapping of str to these
        Texts. A model of documents reads a sequence as documents, each from a zero state.
    properties : mapping of str to callable, or None, default None
        Properties by name: each takes a text and returns a number for each character. None takes `PROPERTIES`, those of
        programs only if the text looks like one.
    most : int, default 50_000
        Characters that are read, from the starts of the texts.

    Returns
    -------
    Tracking
        The correlations. The first half of what is read of each text is the part by which to choose; on the second
        half correlations are held out.

    Raises
    ------
    NotFittedError, TypeError, ValueError, UnknownCharacterError
        If the model is not trained, X are no texts, the model does not know them, or a property is none.

    Notes
    -----
    Of hundreds of units and a dozen properties the largest correlation is large by luck, too. So a unit is chosen on
    one part of the text, and its correlation on the other part is what counts.

    References
    ----------
    A. Karpathy, J. Johnson and L. Fei-Fei (2015). Visualizing and understanding recurrent networks. arXiv:1506.02078.

    Examples
    --------
    >>> from pycharrnn import CharRNN
    >>> text = "one word\\nand another\\n" * 40
    >>> model = CharRNN(hidden_size=16, random_state=0).fit(text)
    >>> found = track(model, text)
    >>> found.chosen.shape, found.best()[0].property in found.properties
    ((16, 4), True)
    """
    check(table(track), most=most)
    model = snapshot(model)
    vocabulary = learned(model).vocabulary
    read = shared(passages(model, X), most)
    texts = [passage.texts(vocabulary) for passage in read]
    if properties is None:
        code = is_code("".join(text for several in texts for text in several))
        properties = {name: one for name, one in PROPERTIES.items() if code or name not in OF_CODE}
    if not isinstance(properties, Mapping) or not all(map(callable, properties.values())):
        raise ParameterTypeError("properties", f"must be functions of a text by name, got {shown(properties)}")
    values = [measure(several, properties) for several in texts]
    halves = [np.concatenate(parts) for parts in zip(*(_halves(each) for each in values), strict=True)]
    kept = np.flatnonzero(np.min([(np.diff(half, axis=0) < 0).sum(axis=0) for half in halves], axis=0) >= _FALLS)
    units = units_of(model)
    sums = _Sums(len(units), kept.size), _Sums(len(units), kept.size)
    for passage, own in zip(read, values, strict=True):
        _add(model, passage, own[:, kept], sums)
    names = [*properties]
    chosen, held_out = (each.correlations() for each in sums)
    return Tracking(units, [names[i] for i in kept], chosen, held_out, sums[0].n + sums[1].n)


def shared(read: Sequence[Passage], most: int) -> list[Passage]:
    """Return the starts of passages, at most so many symbols of all together; what short ones leave goes to the rest.

    Examples
    --------
    >>> import numpy as np
    >>> none = np.zeros(0, np.int32)
    >>> [len(part.ids) for part in shared([Passage("", np.zeros(n, np.int32), none) for n in (9, 2, 9)], 10)]
    [4, 2, 4]
    """
    left = most
    sizes: dict[int, int] = {}
    for others, place in zip(
        range(len(read), 0, -1), np.argsort([len(p.ids) for p in read], kind="stable").tolist(), strict=True
    ):
        sizes[place] = min(len(read[place].ids), left // others)
        left -= sizes[place]
    return [passage.part(sizes[place]) for place, passage in enumerate(read)]


def _halves(values: Floats) -> tuple[Floats, Floats]:
    """The first half of the rows, and the second."""
    middle = len(values) // 2
    return values[:middle], values[middle:]


def _add(model: Trained, passage: Passage, properties: Floats, sums: tuple[_Sums, _Sums]) -> None:
    """Add what the units do in a passage, each half to its own sums."""
    middle = len(passage.ids) // 2
    for steps in steps_of(model, passage):
        places = steps.start - len(passage.first) + np.arange(len(steps.nats))
        states = states_of(steps)
        for part, own in zip(sums, ((places >= 0) & (places < middle), places >= middle), strict=True):
            if own.any():
                part.add(states[own], properties[places[own]])
