"""Texts that no batch can write: each is a stream of its own, and a thread gives each a turn."""

from __future__ import annotations

import time

from pycharrnn.sampling.sampler import Sampler
from pycharrnn.serving.pool import Pace
from pycharrnn.serving.scores import Scorer
from pycharrnn.serving.texts import Failure, Text
from pycharrnn.writer import Bound


class Soloist:
    """A text that is a stream of its own: what may come depends on what was written, or its characters are scored.

    Parameters
    ----------
    text : Text
        The text.
    bound : Bound
        The model.
    n_likely : int or None
        How many of the likeliest characters its scores name; None for no scores.
    echo : bool
        Whether the prompt is part of what goes out, with its scores.
    """

    def __init__(self, text: Text, bound: Bound, n_likely: int | None, echo: bool) -> None:
        self.text = text
        self._bound = bound
        self._n_likely = n_likely
        self._echoed = text.prompt if echo and n_likely is not None else text.prompt[:0]  # what is still to be scored
        self._before = text.prompt[: text.prompt.size - self._echoed.size]
        self._sampler: Sampler | None = None
        self._scorer: Scorer | None = None

    def turn(self, most: int) -> bool:
        """Score or draw at most so many symbols; return whether the client hears of it."""
        text = self.text
        if self._scorer is None and self._n_likely is not None:
            self._scorer = Scorer(self._bound, self._before, self._n_likely)
        if self._scorer is not None and self._echoed.size:
            ids, self._echoed = self._echoed[:most], self._echoed[most:]
            return text.show(text.rules.decode(ids), self._scorer.score(ids))
        if self._sampler is None:
            self._sampler = self._bound.sampler(text.prompt, text.rules.sampling, text.rng)
        ids = self._sampler.draw(min(most, text.most - text.n), whole=text.documents)
        scored = ids[ids != self._bound.architecture.end] if text.documents else ids
        scores = [] if self._scorer is None else self._scorer.score(scored)
        return text.take(ids, scores, closed=self._sampler.is_over)


class Soloists:
    """Texts that are streams of their own, written by one thread in turns.

    Examples
    --------
    >>> import numpy as np
    >>> from pycharrnn import CharRNN, Sampling
    >>> from pycharrnn.sampling.rules import Rules
    >>> bound = Bound(CharRNN(hidden_size=16, random_state=0).fit("hello world. " * 20), True)
    >>> rules = Rules(Sampling(temperature=0), bound.architecture, bound.characters)
    >>> text = Text(bound.architecture, rules, bound.vocabulary.encode("hell"), np.random.default_rng(0), most=1)
    >>> soloists = Soloists()
    >>> soloists.join(Soloist(text, bound, None, False))
    >>> while not text.is_over:
    ...     heard = soloists.turn()
    >>> text.fetch().text, soloists.n_texts
    ('o', 0)
    """

    def __init__(self) -> None:
        self._soloists: list[Soloist] = []
        self._pace = Pace()

    @property
    def n_texts(self) -> int:
        """How many texts are being written."""
        return len(self._soloists)

    def join(self, soloist: Soloist) -> None:
        """Let another text be written."""
        self._soloists.append(soloist)

    def turn(self) -> list[Text]:
        """Give each text a turn, and drop those that are over; return those that have news."""
        begin = time.perf_counter()
        heard = []
        for one in self._soloists:
            if one.text.left:
                continue
            try:
                hears = one.turn(self._pace.steps)
            except ValueError as error:  # of a pattern that leads nowhere: the others have done nothing wrong
                hears = one.text.fail(Failure(str(error), 400))
            if hears:
                heard.append(one.text)
        self._soloists = [one for one in self._soloists if not one.text.is_over]
        self._pace.note(time.perf_counter() - begin, len(self._soloists))
        return heard

    def dissolve(self, failure: Failure) -> list[Text]:
        """End all texts unfinished; return them, and any that ended in a turn that failed."""
        texts = [one.text for one in self._soloists]
        for text in texts:
            text.fail(failure)
        self._soloists = []
        return texts
