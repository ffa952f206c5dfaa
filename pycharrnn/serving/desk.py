"""The threads that write: a client leaves its texts at the desk, and is woken when there is something to take."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pycharrnn.arrays import Ids
from pycharrnn.network.memory import processors
from pycharrnn.sampling.limits import longest
from pycharrnn.sampling.rules import Rules
from pycharrnn.sampling.seeds import generators
from pycharrnn.sampling.settings import Sampling
from pycharrnn.serving.pool import Pool
from pycharrnn.serving.soloists import Soloist, Soloists
from pycharrnn.serving.texts import Failure, Text
from pycharrnn.writer import Bound

CLOSED = Failure("the server is shutting down", 503)
_FAILED = Failure("the server failed to write this text", 500)

_log = logging.getLogger(__name__)

News = Callable[[Sequence[Text]], object]


class Full(Exception):
    """There is no room for more texts at the moment."""


class Closed(Exception):
    """The desk takes no more texts."""


class Wish(NamedTuple):
    """Texts that a client wants, all by the same rules.

    Attributes
    ----------
    prompts : list of ndarray of int32
        What is read before each text.
    sampling : Sampling
        How they are drawn.
    seed : int or None, default None
        Where their numbers come from: those of `CharRNN.sample` with this `random_state`. None is others each time.
    ngrams : bool, default True
        Whether n-grams take part, where the model has them.
    n_likely : int or None, default None
        How many of the likeliest characters the scores of each text name; None for no scores.
    echo : bool, default False
        Whether each text begins with its prompt, and its scores with those of the prompt.
    eager : bool, default False
        Whether the client wants each part as soon as it is ready.
    longest : int or None, default None
        Symbols of a text for which `sampling` names no length, at most. None is as many as `CharRNN.sample` writes.
    """

    prompts: list[Ids]
    sampling: Sampling
    seed: int | None = None
    ngrams: bool = True
    n_likely: int | None = None
    echo: bool = False
    eager: bool = False
    longest: int | None = None


class _Group:
    """Texts that a thread writes in one way: in a pool, or as soloists."""

    def __init__(self, make: Callable[[], Pool | Soloists]) -> None:
        self._make = make
        self._writers: Pool | Soloists | None = None  # made for the first text: it takes memory

    @property
    def n_texts(self) -> int:
        """How many texts are being written."""
        return 0 if self._writers is None else self._writers.n_texts

    def turn(self, new: Sequence[Text | Soloist], closed: bool) -> list[Text]:
        """Let new texts join, and give all a turn, or end them; return those that have news."""
        if not new and not self.n_texts:
            return []
        try:
            self._writers = self._make() if self._writers is None else self._writers
            for one in new:
                self._writers.join(one)  # type: ignore[arg-type]
            return self._writers.dissolve(CLOSED) if closed else self._writers.turn()
        except Exception:  # the thread must live on for other texts; this is a fault of ours, or memory is short
            _log.exception(_FAILED.why)
            heard = [] if self._writers is None else self._writers.dissolve(_FAILED)
            self._writers = None
        lost = [one.text if isinstance(one, Soloist) else one for one in new]
        lost = [text for text in lost if not text.end]
        for text in lost:
            text.fail(_FAILED)
        return heard + lost


class _Thread:
    """A thread that gives its texts, those of a pool and soloists, one turn after another as long as there are any."""

    def __init__(self, make: Callable[[], Pool], tell: News) -> None:
        self.n_texts = 0  # with those that wait
        self._groups = {Text: _Group(make), Soloist: _Group(Soloists)}
        self._tell = tell
        self._waiting: list[Text | Soloist] = []
        self._changed = threading.Condition()
        self._closed = False
        self._ended = threading.Event()  # not a join: one that a signal interrupts takes the thread for ended
        threading.Thread(target=self._run, name="pycharrnn-serve", daemon=True).start()

    def join(self, text: Text | Soloist) -> None:
        """Take another text."""
        with self._changed:
            self.n_texts += 1
            self._waiting.append(text)
            self._changed.notify()

    def close(self) -> None:
        """End all texts, and the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def wait(self, seconds: float) -> None:
        """Wait until the thread has ended."""
        self._ended.wait(seconds)

    def _run(self) -> None:
        closed = False
        while not closed:
            with self._changed:
                self.n_texts = len(self._waiting) + sum(group.n_texts for group in self._groups.values())
                while not self.n_texts and not self._closed:
                    self._changed.wait()
                new, self._waiting = self._waiting, []
                closed = self._closed
            for kind, group in self._groups.items():
                heard = group.turn([one for one in new if isinstance(one, kind)], closed)
                if heard:
                    self._tell(heard)
        self._ended.set()


class Desk:
    """Where clients leave what they want to be written.

    Texts that a batch can write share the products of a `Pool`; any other is a stream of its own. Each text is the one
    that `CharRNN.sample` writes with the same seed, to the bit, whatever else is being written.

    Parameters
    ----------
    model : CharRNN
        What writes. What it learns later does not matter.
    tell : callable
        ``tell(texts)`` is called by the thread that writes, when these texts have news. It must not take long.
    n_threads : int or None, default None
        Threads that write, None as many as there are processors.
    most : int, default 256
        Texts at once, at most.

    Examples
    --------
    >>> import queue
    >>> from pycharrnn import CharRNN
    >>> model = CharRNN(hidden_size=16, random_state=0).fit("hello world. " * 20)
    >>> news = queue.Queue()
    >>> desk = Desk(model, news.put)
    >>> [text] = desk.submit(Wish([model.vocabulary_.encode("hell")], Sampling(length=3), seed=1))
    >>> [same] = news.get()
    >>> same is text, text.fetch().text == model.sample(3, prompt="hell", random_state=1)
    (True, True)
    >>> desk.close()
    """

    def __init__(self, model: object, tell: News, n_threads: int | None = None, most: int = 256) -> None:
        self._bounds = {ngrams: Bound(model, ngrams) for ngrams in (True, False)}  # type: ignore[arg-type]
        self.most = most
        self.bound = self._bounds[True]
        n = max(1, min(most, processors() if n_threads is None else n_threads))
        size = -(-most // n)
        bound = self.bound
        self._threads = [_Thread(lambda: Pool(bound.architecture, bound.weights, size), tell) for _ in range(n)]
        self._lock = threading.Lock()
        self._closed = False

    @property
    def n_texts(self) -> int:
        """How many texts are being written, or wait for it."""
        return sum(thread.n_texts for thread in self._threads)

    def check(self, wish: Wish) -> Rules:
        """Return the rules of a wish.

        Raises
        ------
        ParameterValueError
            If a setting does not fit the model.
        """
        bound = self._bounds[wish.ngrams]
        return Rules(wish.sampling, bound.architecture, bound.characters, bound.mixture)

    def submit(self, wish: Wish, news: Callable[[], object] = bool) -> list[Text]:
        """Let the texts of a wish be written.

        Parameters
        ----------
        wish : Wish
            What is wanted.
        news : callable, optional
            What the texts have as `news`.

        Returns
        -------
        list of Text
            One for each prompt.

        Raises
        ------
        Full, Closed
            If there is no room for them, or there will be none any more.
        ParameterValueError
            If a setting does not fit the model.
        """
        bound, rules = self._bounds[wish.ngrams], self.check(wish)
        most = wish.sampling.length
        if most is None:
            most = longest(bound.architecture.documents)
            most = most if wish.longest is None else min(most, wish.longest)
        rngs = generators(wish.seed, len(wish.prompts))
        texts = [
            Text(bound.architecture, rules, prompt, rng, most, wish.eager, news)
            for prompt, rng in zip(wish.prompts, rngs, strict=True)
        ]
        alone = rules.stepwise or wish.n_likely is not None
        with self._lock:
            if self._closed:
                raise Closed
            if self.n_texts + len(texts) > self.most:
                raise Full
            for text in texts:
                one = Soloist(text, bound, wish.n_likely, wish.echo) if alone else text
                min(self._threads, key=lambda thread: thread.n_texts).join(one)  # each has room for its share
        return texts

    def close(self, seconds: float = 10.0) -> None:
        """End all texts, which are told so, and the threads; wait for these at most so long."""
        with self._lock:
            self._closed = True
        for thread in self._threads:
            thread.close()
        for thread in self._threads:
            thread.wait(seconds)
