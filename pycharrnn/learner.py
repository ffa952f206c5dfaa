"""How a model learns: it prepares weights and text, trains, and keeps what it has learned."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pycharrnn.arguments import Integer, generator
from pycharrnn.derived import architecture, descent, settled
from pycharrnn.errors import warn
from pycharrnn.network.state import Best, State
from pycharrnn.output import is_watched
from pycharrnn.parameters import check_parameters
from pycharrnn.tables import check, table
from pycharrnn.tasks import Sources, Task
from pycharrnn.text.corpus import Corpus, Texts
from pycharrnn.text.vocabulary import Vocabulary
from pycharrnn.trained import Learned
from pycharrnn.training.budget import Budget
from pycharrnn.training.history import History
from pycharrnn.training.run import Run
from pycharrnn.training.schedules import Schedule
from pycharrnn.turns import being_trained
from pycharrnn.writer import Writer

if TYPE_CHECKING:
    from pycharrnn.resuming import Opened
    from pycharrnn.training.callbacks import Callback
    from pycharrnn.training.standing import Standing
    from pycharrnn.training.trainer import Trainer


class Learner(Writer):
    """What a model does to learn."""

    def _begin(
        self,
        corpus: Corpus,
        unseen: Corpus | None,
        passes: dict[str, Any],
        callbacks: Sequence[Callback],
        begin: float,
    ) -> None:
        """Train a new model: the random numbers of weights, masks and order are drawn in this order."""
        from pycharrnn.choosing import choose_for
        from pycharrnn.training.ngrams import NGrams, most_counted
        from pycharrnn.training.trainer import Trainer  # only now: a model from a file may never be trained

        params = check_parameters(self)
        chosen = choose_for(params, corpus, begin) if params.auto else {}
        params = check_parameters(settled(params, chosen))
        budget = Budget.of(vars(params) | passes)
        rng, rule = generator(params.random_state), descent(params)
        built = architecture(params, corpus.vocabulary.n_symbols, corpus.documents)
        weights = built.initial(rng, params.init_scale, params.initializer)
        state = State.begin(built, weights, rule, params.batch_size)
        state.draw_seed(built, rng)
        task = Task(params, budget, callbacks, begin)
        sources = Sources(corpus.fingerprint, None if unseen is None else unseen.fingerprint, corpus.order(rng))
        corpus = corpus.shuffled(sources.order)
        if unseen is None and task.held_out:
            corpus, unseen = corpus.split(task.held_out)
        trainer = Trainer(built, state, rule, corpus.ids, params.n_threads)
        ngrams = None
        if params.ngram_order is not None:
            ids = corpus.ids[-most_counted(budget.max_seconds) :]
            ngrams = NGrams(ids, built.n_symbols, corpus.vocabulary.end, params.ngram_order)
        new = Learned(corpus.vocabulary, built, state, History(seq_length=params.seq_length), chosen, ngrams)
        self._train(trainer, new, unseen, task, sources)

    def _go_on(self, X: Texts, task: Task) -> None:
        """Train on from what has been learned, with the characters that X adds."""
        from pycharrnn.network.growth import grown, resumed  # only now: few programs train on
        from pycharrnn.training.trainer import Trainer

        params = task.params
        rng, rule = generator(params.random_state), descent(params)
        known, built, state, history, chosen, ngrams = self._learned
        if params.on_unknown == "raise":
            corpus = Corpus.learn(X, params.min_count, known)
        else:
            corpus = Corpus.read(X, known, params.on_unknown)
        new, old = corpus.new_ids(known), corpus.old_ids(known)
        if len(new):
            named = ", ".join(map(ascii, corpus.vocabulary.decode(new[:10]))) + ", ..." * (len(new) > 10)
            warn(f"the vocabulary has grown by {len(new)}, to {len(corpus.vocabulary)} characters: {named}")
            small, built = built, built.replace(n_symbols=corpus.vocabulary.n_symbols)
            weights = built.initial(rng, params.init_scale, params.initializer)
            fresh = State.begin(built, weights, rule, state.batch_size)
            state = grown(small, state, built, old, fresh)
        foreign = state.rule != rule.name
        state = resumed(built, state, rule, params.batch_size)
        state.draw_seed(built, rng)
        sources = Sources(corpus.fingerprint, None, corpus.order(rng))
        corpus = corpus.shuffled(sources.order)
        trainer = Trainer(built, state, rule, corpus.ids, params.n_threads)
        if ngrams is not None:
            ngrams = ngrams.extended(corpus.ids, old, corpus.vocabulary.n_symbols, corpus.vocabulary.end)
        if foreign or len(new):
            most = math.inf if task.budget.max_seconds is None else task.budget.max_seconds / 10
            trainer.measure(new, foreign, self._learned.state.squares, most)
        after = Learned(corpus.vocabulary, built, state, history.copy(), chosen, ngrams)  # readers keep what they have
        self._train(trainer, after, None, task, sources)

    def _resume(
        self, opened: Opened, X: Texts, validation: Texts | None, callbacks: Sequence[Callback], begin: float
    ) -> None:
        """Go on with the training of a checkpoint, whose parameters this model has."""
        from pycharrnn.resuming import check_sources, from_file
        from pycharrnn.training.trainer import Trainer

        params = check_parameters(self)
        vocabulary = Vocabulary(opened.file.code_points, opened.file.metadata["documents"])
        new, sources, budget, standing, beginning = from_file(opened.file, params, vocabulary)
        standing = standing._replace(path=opened.path)
        if beginning.n_updates and params.on_unknown != "raise":  # as `_go_on` has read it
            corpus = Corpus.read(X, vocabulary, params.on_unknown)
        else:
            corpus = Corpus.learn(X, params.min_count, vocabulary)
        unseen = None if validation is None else self._read(validation, vocabulary, "validation")
        check_sources(sources, corpus, unseen)
        params = settled(params, new.chosen)
        task = Task(params, budget, callbacks, begin)
        corpus = corpus.shuffled(sources.order)
        if unseen is None and task.held_out and not beginning.n_updates:
            corpus, unseen = corpus.split(task.held_out)
        trainer = Trainer(new.architecture, new.state, descent(params), corpus.ids, params.n_threads)
        trainer.beginning = beginning
        self._train(trainer, new, unseen, task, sources, standing)

    def _train(
        self,
        trainer: Trainer,
        new: Learned,
        unseen: Corpus | None,
        task: Task,
        sources: Sources,
        standing: Standing | None = None,
    ) -> None:
        from pycharrnn.sampling.sampler import Sampler
        from pycharrnn.sampling.settings import Sampling
        from pycharrnn.training.fitting import fit
        from pycharrnn.training.judge import Unseen

        vocabulary, built, state, history, _, ngrams = new
        params, budget, callbacks, begin = task

        def sample(length: int, prompt: str = "", temperature: float = 1.0, **sampling: Any) -> str:
            Integer(0, 2**48).check("length", length)
            check(table(Writer.stream), prompt=prompt)
            how = Sampling.of({"length": length, "temperature": temperature} | sampling, "sample")
            rng = np.random.default_rng(state.n_updates)  # of its own: watching does not change the training
            ids = vocabulary.encode(prompt, self._unknown(vocabulary))
            sampler = Sampler(built, state.judged, ids, how, rng, "".join(vocabulary))
            portions = sampler.portions(length, 1 if how.min_length else max(1, length), through=True)
            return vocabulary.decode(np.concatenate([ids[:0], *portions]))

        def save(path: str | os.PathLike[str], best: bool = False) -> None:
            now = Best(state.n_updates, state.smooth_loss)
            self._file(new, *((state.best, state.kept) if best else (state.judged, now))).write(path)

        def checkpoint(path: str | os.PathLike[str]) -> None:
            from pycharrnn.resuming import to_file  # only now: few trainings write checkpoints

            if run.standing is None:
                raise RuntimeError("a checkpoint can be written from the first update on")
            to_file(given, new, sources, budget, run.standing, trainer.beginning).write(path)

        given = check_parameters(self)  # as they are now, whatever a callback sets
        total = budget.updates(trainer.updates_per_epoch)
        run = Run(history, sample, save, checkpoint, budget, trainer.beginning.n_updates, total, vars(params), begin)
        if standing is not None:
            run.resume(standing, state.n_updates)
        text = None if unseen is None else Unseen(unseen.ids, ngrams)
        shown = is_watched() if self.verbose is None else self.verbose
        try:
            fit(trainer, run, Schedule.of(params.schedule), text, callbacks, params.patience, shown)
            self._learned = new
        finally:  # after an interrupt too: whole updates only. A divergence leaves a state without a rule
            if state.n_updates > run.first or not (state.rule and self.__sklearn_is_fitted__()):
                self._learned = new


def resume_training(
    model: Learner, opened: Opened, X: Texts, validation: Texts | None, callbacks: Sequence[Callback]
) -> None:
    """Go on with the training of a checkpoint, whose parameters the model has."""
    begin = time.perf_counter()
    with being_trained(model):
        model._resume(opened, X, validation, callbacks, begin)
