"""A training that goes on from a checkpoint ends as one that never stopped."""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from interrupting import Interrupt, interrupted
from small import learned

import pycharrnn
from pycharrnn import CharRNN, Checkpoint, ModelFileError, SampleText
from pycharrnn.interrupts import insist
from pycharrnn.resuming import opened
from pycharrnn.training.checkpoints import checkpoints_in
from pycharrnn.training.judge import Judge
from pycharrnn.training.run import Run

TEXT = "to be nobler, said the slings. whether to suffer, said the sea? in the mind, said the arrows; to be!\n" * 40
NAMES = [f"{a}{b}{c}" for a in ("an", "bo", "car", "dan") for b in ("na", "l", "dy") for c in ("", "e", "ina", "o")]
ADAM = {"cell": "lstm", "num_layers": 2, "batch_size": 4, "optimizer": "adam", "schedule": "cosine", "dropout": 0.2}
TRAININGS: dict[str, tuple[Any, dict[str, Any]]] = {
    "classic": (TEXT, {"epochs": 1}),
    "lstm": (TEXT, ADAM | {"zoneout": 0.05, "ema_decay": 0.9, "ngram_order": 3, "epochs": 6}),
    "documents": (NAMES, {"cell": "gru", "optimizer": "rmsprop", "schedule": "plateau", "validation_fraction": 0.2}
                  | {"batch_size": 3, "epochs": 200, "patience": 2}),
    "bfloat16": (NAMES, {"dtype": "bfloat16", "optimizer": "momentum", "learning_rate": 1e-3, "epochs": 3}),
    "diverges": (TEXT, {"optimizer": "adam", "learning_rate": 1e38, "clip_value": 1e-36, "epochs": 1}),
}  # fmt: skip


class Died(Exception):
    """Stands for whatever ends a process."""


class Death:
    """A callback that raises after so many updates."""

    def __init__(self, n_updates: int, every: int | None = None) -> None:
        self.n_updates = n_updates
        if every is not None:
            self.every = every

    def __call__(self, run: Run) -> None:
        if run.n_updates >= self.n_updates:
            raise Died


class Early(Checkpoint):
    """Writes nothing at the end, as if the process had been killed."""

    def on_end(self, run: Run) -> None:
        run.standing = None
        super().on_end(run)


def model(**params: Any) -> CharRNN:
    return CharRNN(**{"hidden_size": 8, "seq_length": 10, "random_state": 0} | params)


def texts() -> SampleText:
    return SampleText(13, 15, file=None)


def content(found: CharRNN) -> dict[str, Any]:
    """All that a training leaves behind, but for the times that it took."""
    _, _, state, history, chosen, _ = learned(found)
    names = ("weights", "best", "m", "v", "average", "carried", "run")
    arrays = {name: getattr(state, name).tobytes() for name in names}
    losses = {name: getattr(history, name).tolist() for name in ("updates", "loss", "smooth_loss", "epochs")}
    looks = [(look.n_updates, look.nats) for look in (*history.validation, *history.training)]
    samples = [(text.n_updates, text.text) for text in history.texts]
    return arrays | losses | {
        "looks": looks,
        "texts": samples,
        "divergences": history.divergences,
        "baseline": history.baseline,
        "kept": state.kept,
        "smooth": state.smooth,
        "shift": state.shift,
        "share": found.ngram_share_,
        "chosen": chosen,
        "sample": found.sample(20, random_state=1),
    }  # fmt: skip


def same(found: CharRNN, whole: CharRNN) -> None:
    one, other = content(found), content(whole)
    assert [name for name in one if one[name] != other[name]] == []


@pytest.fixture(scope="module")
def wholes() -> dict[str, CharRNN]:
    """Trainings that nobody stopped."""
    return {name: model(**params).fit(text, callbacks=[texts()]) for name, (text, params) in TRAININGS.items()}


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.parametrize(("every", "at"), [(13, 30), (5, 20), (1, 13), (1000, 17)])
@pytest.mark.parametrize("name", list(TRAININGS))
def test_a_resumed_training_ends_as_one_that_never_stopped(
    name: str, every: int, at: int, wholes: dict[str, CharRNN], tmp_path: Path
) -> None:
    text, params = TRAININGS[name]
    folder = tmp_path / "checkpoints"
    for i, kind in enumerate((Checkpoint, Early, Checkpoint)):
        callbacks = [texts(), kind(folder, every=every), Death(at * (i + 1))]
        train = partial(CharRNN.resume, folder, n_threads=2) if i else model(**params).fit
        with pytest.raises(Died):
            train(text, callbacks=callbacks)
    found = CharRNN.resume(folder, text, callbacks=[texts()])
    assert wholes[name].n_updates_ > 3 * at
    same(found, wholes[name])


def test_one_of_the_trainings_diverges(wholes: dict[str, CharRNN]) -> None:
    assert wholes["diverges"].history_.divergences


def test_a_rate_that_divergences_have_cut_stays_cut(tmp_path: Path) -> None:
    """Half the factor is half the learning rate, to the bit."""
    with pytest.raises(Died):
        model(epochs=1).fit(TEXT, callbacks=[Checkpoint(tmp_path, every=10), Death(15)])
    file = opened(tmp_path).file

    def weights(rate: float, factor: float) -> Any:
        params, run = file.metadata["params"], file.metadata["run"]
        said = {"params": params | {"learning_rate": rate}, "run": run | {"factor": factor}}
        file._replace(metadata=file.metadata | said).write(tmp_path / "changed")
        return content(CharRNN.resume(tmp_path / "changed", TEXT))["weights"]

    assert weights(0.25, 0.5) == weights(0.125, 1.0) != weights(0.25, 1.0)


def test_a_look_that_is_still_due_has_not_changed_the_share_of_the_ngrams(tmp_path: Path) -> None:
    found, at = model(ngram_order=3, epochs=9), 728  # the update of the first look that gives the network a share
    with pytest.raises(Died):
        found.fit(TEXT, callbacks=[Checkpoint(tmp_path, every=at), Death(at, every=at)])
    said = opened(tmp_path).file.metadata
    assert said["run"]["due"]
    assert said["counted"]["share"] == 1.0
    assert found.ngram_share_ is not None
    assert found.ngram_share_ < 0.99


def test_a_training_that_ended_early_by_patience_ends_there_again(wholes: dict[str, CharRNN], tmp_path: Path) -> None:
    text, params = TRAININGS["documents"]
    whole = wholes["documents"]
    end = whole.n_updates_
    assert len(whole.history_.epochs) < params["epochs"]
    with pytest.raises(Died):  # at the very update that patience ends
        model(**params).fit(text, callbacks=[texts(), Checkpoint(tmp_path, every=end), Death(end, every=end)])
    same(CharRNN.resume(tmp_path, text, callbacks=[texts()]), whole)


def test_a_training_that_is_at_its_end_makes_no_more_updates(wholes: dict[str, CharRNN], tmp_path: Path) -> None:
    text, params = TRAININGS["lstm"]
    model(**params).fit(text, callbacks=[texts(), Checkpoint(tmp_path)])
    same(CharRNN.resume(tmp_path, text, callbacks=[Death(0, every=1)]), wholes["lstm"])


def test_a_training_that_a_callback_stopped_stops_there_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Stop:
        every = 20

        def __call__(self, run: Run) -> bool:
            return run.n_updates == 20

    def die(judge: Judge) -> None:
        raise Died

    whole = model(epochs=1).fit(TEXT, callbacks=[Stop()])
    assert whole.n_updates_ == 20
    with monkeypatch.context() as patch:
        patch.setattr(Judge, "finish", die)  # the last look is not taken
        with pytest.raises(Died):
            model(epochs=1).fit(TEXT, callbacks=[Stop(), Checkpoint(tmp_path, every=7)])
    same(CharRNN.resume(tmp_path, TEXT, callbacks=[Stop()]), whole)


def test_training_on_can_be_resumed(tmp_path: Path) -> None:
    more = TEXT.replace("sea", "sky €")

    def go_on(callbacks: Sequence[Any]) -> CharRNN:
        found = model(**ADAM, ngram_order=3, max_updates=30, epochs=None).fit(TEXT)
        with pytest.warns(UserWarning, match="vocabulary has grown"):
            return found.set_params(max_updates=None).partial_fit(more, epochs=4, callbacks=callbacks)

    whole = go_on([texts()])
    with pytest.raises(Died):
        go_on([texts(), Early(tmp_path, every=11), Death(70)])
    found = CharRNN.resume(tmp_path, more, callbacks=[texts()])
    same(found, whole)
    assert len(found.history_.epochs) == 4


def test_what_was_chosen_for_a_text_stays_chosen(tmp_path: Path) -> None:
    params = {"max_seconds": 2.0, "random_state": 0}
    with pytest.raises(Died):
        CharRNN.preset("auto", **params).fit(TEXT, callbacks=[Early(tmp_path, every=5), Death(12)])
    found = CharRNN.resume(tmp_path, TEXT, callbacks=[Checkpoint(tmp_path, every=5)])
    chosen = found.chosen_
    assert chosen["hidden_size"] == learned(found).architecture.hidden_size
    assert found.auto
    assert found.ngram_share_ is not None


def test_a_training_without_a_seed_can_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(Died):
        model(random_state=None, batch_size=2).fit(NAMES, callbacks=[Checkpoint(tmp_path, every=5), Death(12)])
    one, other = (CharRNN.resume(tmp_path, NAMES) for _ in range(2))
    assert content(one) | {"sample": ""} == content(other) | {"sample": ""}


WATCHED = ("training/loop", "training/fitting", "training/judge", "training/standing", "training/trainer")
WATCHED += ("training/checkpoints",)


@pytest.mark.parametrize("times", [1, 3])
def test_an_interrupt_at_any_line_leaves_a_checkpoint_to_go_on_from(times: int, tmp_path: Path) -> None:
    params = {"cell": "gru", "optimizer": "adam", "batch_size": 3, "validation_fraction": 0.2, "epochs": 4}
    params |= {"hidden_size": 4, "ngram_order": 3}
    whole = model(**params).fit(NAMES, callbacks=[texts()])
    counter = Interrupt(WATCHED)
    interrupted(counter, model(**params), NAMES, callbacks=[texts(), Checkpoint(tmp_path / "counted", every=7)])
    resumed = 0
    for at in range(1, counter.lines, max(1, counter.lines // 60)):
        folder = tmp_path / str(at)
        interrupted(
            Interrupt(WATCHED, at, times), model(**params), NAMES, callbacks=[texts(), Checkpoint(folder, every=7)]
        )
        if checkpoints_in(folder):
            resumed += 1
            same(CharRNN.resume(folder, NAMES, callbacks=[texts()]), whole)
    assert resumed > 40


def test_a_damaged_checkpoint_gives_way_to_the_one_before(wholes: dict[str, CharRNN], tmp_path: Path) -> None:
    text, params = TRAININGS["classic"]
    with pytest.raises(Died):
        model(**params).fit(text, callbacks=[texts(), Checkpoint(tmp_path, every=10), Death(35)])
    newest, older = checkpoints_in(tmp_path)
    data = Path(newest).read_bytes()
    for damaged in (b"", data[:-1], data[:2000] + b"!" + data[2001:]):
        Path(newest).write_bytes(damaged)
        with pytest.warns(UserWarning, match=r"goes on from '.*checkpoint-30\.safetensors', the checkpoint before"):
            found = CharRNN.resume(tmp_path, text, callbacks=[texts()])
        same(found, wholes["classic"])
        with pytest.raises(ModelFileError):
            CharRNN.resume(newest, text)  # it was asked for by name
    Path(older).write_bytes(b"")
    with pytest.raises(ModelFileError, match=r"no checkpoint in .* can be read \(remove the folder"):
        CharRNN.resume(tmp_path, text)


def test_a_folder_without_checkpoints_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"has no checkpoint: a Checkpoint callback"):
        CharRNN.resume(tmp_path, TEXT)
    with pytest.raises(FileNotFoundError):
        CharRNN.resume(tmp_path / "none", TEXT)


def test_the_newest_checkpoints_and_the_best_weights_are_kept(tmp_path: Path) -> None:
    found = model(epochs=1).fit(TEXT, callbacks=[Checkpoint(tmp_path, every=50, keep=3)])
    end = found.n_updates_
    files = [f"checkpoint-{n}.safetensors" for n in (end, end // 50 * 50, end // 50 * 50 - 50)]
    assert [os.path.basename(path) for path in checkpoints_in(tmp_path)] == files
    assert set(os.listdir(tmp_path)) == {*files, "best.safetensors"}
    best = CharRNN.load(tmp_path / "best.safetensors")
    assert best.best_ == found.best_
    assert all(np.array_equal(array, found.params_[name]) for name, array in best.params_.items())


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".checkpoint-7.safetensors.0123456789abcdef.tmp"
    other = tmp_path / ".notes.0123456789abcdef.tmp"
    for path in (left, other):
        path.write_bytes(b"half")
    model(epochs=1).fit(NAMES, callbacks=[Checkpoint(tmp_path, every=20)])
    assert not left.exists()
    assert other.exists()


def test_a_checkpoint_of_updates_not_made_yet_is_removed(tmp_path: Path) -> None:
    text, params = TRAININGS["classic"]
    model(**params).fit(text, callbacks=[Checkpoint(tmp_path, every=50, keep=9)])
    callbacks = [Checkpoint(tmp_path, every=50, keep=9), Death(150)]
    with pytest.raises(Died):
        CharRNN.resume(tmp_path / "checkpoint-100.safetensors", text, callbacks=callbacks)
    assert os.path.basename(checkpoints_in(tmp_path)[0]) == "checkpoint-150.safetensors"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"X": TEXT[:-1]}, r"the text is not the one that the training has read: 4,039 symbols here, 4,040 there"),
        ({"X": TEXT.replace("m", "n")}, r"the text is not the one that the training has read"),
        ({"X": NAMES}, "trained on running text"),
        ({"X": TEXT + "€" * 9}, r"the text is not the one"),
        ({"X": TEXT}, r"validation must be given: the training has one"),
        (
            {"X": TEXT, "validation": TEXT[:99]},
            r"the text to validate with is not the one .* 99 symbols here, 200 there",
        ),
    ],
)
def test_another_text_is_refused(given: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(Died):
        model().fit(TEXT, validation=TEXT[:200], callbacks=[Checkpoint(tmp_path, every=10), Death(15)])
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    with pytest.raises(ValueError, match=told):
        CharRNN.resume(tmp_path, callbacks=[Checkpoint(tmp_path)], **given)
    assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == before


def test_a_text_to_validate_with_that_was_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Died):
        model().fit(TEXT, callbacks=[Checkpoint(tmp_path, every=10), Death(15)])
    with pytest.raises(ValueError, match="validation must be left out"):
        CharRNN.resume(tmp_path, TEXT, validation=TEXT)


def test_a_folder_of_another_training_is_refused_and_the_model_stays(tmp_path: Path) -> None:
    found = model(epochs=1).fit(TEXT, callbacks=[Checkpoint(tmp_path)])
    before = copy.deepcopy(found)
    with pytest.raises(ValueError, match=r"folder '.*' has checkpoints of another training: go on from them"):
        found.fit(TEXT, callbacks=[Checkpoint(tmp_path)])
    same(found, before)


def test_models_and_checkpoints_are_not_mixed_up(tmp_path: Path) -> None:
    found = model(epochs=1).fit(TEXT, callbacks=[Checkpoint(tmp_path)])
    found.save(tmp_path / "model")
    with pytest.raises(ModelFileError, match=r"is a pycharrnn model, not a checkpoint: use CharRNN\.load"):
        CharRNN.resume(tmp_path / "model", TEXT)
    with pytest.raises(ModelFileError, match=r"is a pycharrnn checkpoint, not a model: use CharRNN\.resume"):
        CharRNN.load(checkpoints_in(tmp_path)[0])


def test_a_time_limit_goes_on_where_it_stopped(tmp_path: Path) -> None:
    seen: list[float] = []
    callbacks = [Checkpoint(tmp_path, every=5), Death(200)]
    with pytest.raises(Died):
        model(epochs=None, max_seconds=60).fit(TEXT, callbacks=callbacks)

    def note(run: Run) -> bool:
        seen.append(run.seconds)
        return True

    found = CharRNN.resume(tmp_path, TEXT, callbacks=[note])
    assert found.max_seconds == 60
    before = found.history_.seconds[199]
    assert before <= seen[0] < before + 30
    assert (np.diff(found.history_.seconds) > 0).all()


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ({"every": 0}, ValueError, r"every must be at least 1"),
        ({"every": True}, TypeError, r"every must be an integer"),
        ({"every": 1.5}, TypeError, r"every must be an integer"),
        ({"every": "soon"}, ValueError, r"every must be a number of updates or a time such as '60s'"),
        ({"every": "0s"}, ValueError, r"every must be a number of updates or a time"),
        ({"every": "1e9h"}, ValueError, r"every must be a number"),
        ({"keep": 0}, ValueError, r"keep must be at least 1"),
        ({"keep": None}, TypeError, r"keep must be an integer"),
        ({"folder": 3}, TypeError, r"path must be a str or path-like"),
    ],
)
def test_arguments_are_checked(given: dict[str, Any], error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        Checkpoint(**({"folder": "f"} | given))


def test_a_folder_that_cannot_be_made_is_an_error_before_the_first_update(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(OSError, match="file"):
        model().fit(TEXT, callbacks=[Checkpoint(tmp_path / "file"), Death(0)])


def test_there_is_nothing_to_go_on_from_before_the_first_update() -> None:
    class Hasty:
        def on_start(self, run: Run) -> None:
            run.checkpoint("nowhere")

        def __call__(self, run: Run) -> None:
            return

    with pytest.raises(RuntimeError, match="from the first update on"):
        model().fit(TEXT, callbacks=[Hasty()])


def test_the_folder_of_another_training_is_not_written_to_by_one_that_goes_on(tmp_path: Path) -> None:
    for name, n in (("one", 30), ("other", 60)):
        model(epochs=None, max_updates=n).fit(TEXT, callbacks=[Checkpoint(tmp_path / name, every=20)])
    before = {path.name: path.read_bytes() for path in (tmp_path / "other").iterdir()}
    with pytest.raises(ValueError, match="has checkpoints of another training"):
        CharRNN.resume(tmp_path / "one", TEXT, callbacks=[Checkpoint(tmp_path / "other", every=10)])
    assert {path.name: path.read_bytes() for path in (tmp_path / "other").iterdir()} == before
    CharRNN.resume(tmp_path / "one", TEXT, callbacks=[Checkpoint(tmp_path / "new", every=10)])


@pytest.mark.skipif(sys.platform == "win32", reason="there is no flock")
def test_two_trainings_cannot_write_to_one_folder(tmp_path: Path) -> None:
    class Second:
        every = 5

        def __call__(self, run: Run) -> None:
            with pytest.raises(ValueError, match="another training writes there now"):
                CharRNN.resume(tmp_path, TEXT, callbacks=[Checkpoint(tmp_path)])

    model(epochs=None, max_updates=15).fit(TEXT, callbacks=[Checkpoint(tmp_path, every=5), Second()])
    CharRNN.resume(tmp_path, TEXT, callbacks=[Checkpoint(tmp_path)])  # it is free again


def test_a_training_that_diverged_lets_the_folder_go_and_writes_no_checkpoint(tmp_path: Path) -> None:
    keep = Checkpoint(tmp_path, every=10**6)
    diverging = model(optimizer="sgd", learning_rate=1e36, clip_value=None, epochs=1)
    with pytest.raises(pycharrnn.TrainingDivergedError):
        diverging.fit(TEXT, callbacks=[keep])
    names = [os.path.basename(path) for path in checkpoints_in(tmp_path)]
    assert names == ["checkpoint-0.safetensors"]
    CharRNN(hidden_size=4, max_updates=3).fit(TEXT, callbacks=[Checkpoint(tmp_path / "inner")])


def test_what_a_callback_sets_does_not_reach_the_checkpoints(tmp_path: Path) -> None:
    found = model(epochs=None, max_updates=30)

    def change(run: Run) -> None:
        found.set_params(hidden_size=99, learning_rate=0.9)

    found.fit(TEXT, callbacks=[change, Checkpoint(tmp_path, every=10)])
    whole = model(epochs=None, max_updates=30).fit(TEXT)
    same(CharRNN.resume(tmp_path / "checkpoint-20.safetensors", TEXT), whole)


def test_the_loss_of_the_mixture_is_kept(wholes: dict[str, CharRNN], tmp_path: Path) -> None:
    text, params = TRAININGS["lstm"]
    model(**params).fit(text, callbacks=[texts(), Checkpoint(tmp_path)])
    ngrams = learned(CharRNN.resume(tmp_path, text)).ngrams
    assert ngrams is not None
    assert ngrams.loss == learned(wholes["lstm"]).ngrams.loss


def test_the_recent_loss_is_the_same_to_the_bit(tmp_path: Path) -> None:
    seen: dict[int, list[float]] = {}

    class Note:
        every = 25

        def __call__(self, run: Run) -> None:
            seen.setdefault(run.n_updates, []).append(run.nats)

    with pytest.raises(Died):
        model(epochs=1).fit(TEXT, callbacks=[Checkpoint(tmp_path, every=7), Death(100)])
    CharRNN.resume(tmp_path, TEXT, callbacks=[Note()])
    model(epochs=1).fit(TEXT, callbacks=[Note()])
    common = [losses for losses in seen.values() if len(losses) == 2]
    assert len(common) > 5
    assert all(one == other for one, other in common)


def test_a_newest_checkpoint_that_is_no_file_gives_way(tmp_path: Path) -> None:
    with pytest.raises(Died):
        model(epochs=1).fit(TEXT, callbacks=[Checkpoint(tmp_path, every=10), Death(15)])
    (tmp_path / "checkpoint-99.safetensors").mkdir()
    with pytest.warns(UserWarning, match="goes on from"):
        CharRNN.resume(tmp_path, TEXT)


def test_an_interrupt_at_any_line_lets_the_folder_go(tmp_path: Path) -> None:
    run: Any = SimpleNamespace(standing=None, elapsed=float)
    lines = 0
    while True:
        callback = Checkpoint(tmp_path)
        callback.on_start(run)
        interrupt = Interrupt(("training/checkpoints",), at=lines + 1)
        before = sys.gettrace()
        sys.settrace(interrupt)
        try:
            insist(partial(callback.on_end, run))
        except KeyboardInterrupt:
            lines += 1
        else:
            break
        finally:
            sys.settrace(before)
        other = Checkpoint(tmp_path)
        other.on_start(run)
        other.on_end(run)
    assert lines >= 3


def test_no_descriptor_is_closed_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first close another thread may have a file with the same number."""
    run: Any = SimpleNamespace(standing=None, elapsed=float)
    callback = Checkpoint(tmp_path)
    callback.on_start(run)
    closed = []

    def close(descriptor: int) -> None:
        closed.append(descriptor)
        if len(closed) == 1:
            raise KeyboardInterrupt  # as if the interrupt came when it was closed

    with monkeypatch.context() as patched:
        patched.setattr(os, "close", close)
        with pytest.raises(KeyboardInterrupt):
            insist(partial(callback.on_end, run))
    assert len(closed) == 1
    os.close(closed[0])
