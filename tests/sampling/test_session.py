"""Texts that are read and written in turns."""

import asyncio
import pickle

import numpy as np
import pytest

from pycharrnn import CharRNN, UnknownCharacterError
from pycharrnn.network.drawing import Drawer
from pycharrnn.network.scoring import streamed_losses
from pycharrnn.sampling.session import Change
from pycharrnn.trained import learned


def test_a_session_writes_what_sample_writes(model):
    for settings in (
        {},
        {"temperature": 0.5, "top_k": 3},
        {"repetition_penalty": 2.0},
        {"constraint": lambda text: "to"},
    ):
        expected = model.sample(60, prompt="to ", random_state=5, **settings)
        session = model.session("to ", random_state=5, **settings)
        assert session.write(0) + session.write(20) + session.step() + session.write(39) == expected
        assert session.text == "to " + expected
    session = model.session("to ", random_state=5)
    assert [c for c, _ in zip(session, range(60), strict=False)] == list(model.sample(60, prompt="to ", random_state=5))


def test_what_is_fed_is_read(model):
    one, other = model.session("to be nob", random_state=1), model.session(random_state=1)
    other.feed("to ").feed("").feed("be ").feed("nob")
    assert one.write(30) == other.write(30)
    assert one.text == other.text
    written = model.session("to ", random_state=1)
    written.write(4)
    written.feed("nob")
    again = model.session(written.text, temperature=0)
    assert written.probabilities() == pytest.approx(again.probabilities() | written.probabilities())
    with pytest.raises(UnknownCharacterError, match=r"U\+0023"):
        one.feed("#")
    assert one.text == other.text


def test_probabilities_are_those_of_the_next_character(model):
    session = model.session("to be", random_state=1)
    _, architecture, state, *_ = learned(model)
    for _ in range(5):
        p = session.probabilities()
        assert sum(p.values()) == pytest.approx(1)
        for character in "et ,":
            ids = model.vocabulary_.encode(session.text + character)
            assert p[character] == pytest.approx(np.exp(-streamed_losses(architecture, state.best, ids)[-1]), rel=1e-5)
        assert session.probabilities() == p  # asking changes nothing
        session.step()
    assert session.text == "to be" + model.sample(5, prompt="to be", random_state=1)
    greedy = model.session("to be", temperature=0).probabilities()
    assert sorted(greedy.values())[-2:] == [0, 1]
    narrow = model.session("to be", top_k=2, ban="n").probabilities()
    assert sum(value > 0 for value in narrow.values()) == 2
    assert narrow["n"] == 0


def test_undo_takes_back_calls(model):
    session = model.session("to ", random_state=3)
    texts = [session.text]
    for act in (lambda: session.write(5), session.step, lambda: session.feed("be "), lambda: session.write(9)):
        act()
        texts.append(session.text)
    last = texts.pop()
    while texts:
        assert session.undo().text == texts.pop()
    with pytest.raises(IndexError, match="nothing to undo"):
        session.undo()
    session.write(5), session.step(), session.feed("be "), session.write(9)
    assert session.text == last  # the same numbers again


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("act", ["write", "step", "probabilities"])
def test_what_is_interrupted_has_not_been(model, fault, act):
    """A constraint that fails once, in the middle of a call."""
    armed = []

    def constraint(text):
        if armed and len(text) >= armed[0]:
            raise fault
        return None

    expected = model.session("to ", random_state=3, repetition_penalty=2.0).write(60)
    session = model.session("to ", random_state=3, repetition_penalty=2.0, constraint=constraint)
    session.write(10)
    for more in (0, 5 * (act == "write")):
        armed.append(10 + more)
        with pytest.raises(fault):
            session.write(20) if act == "write" else getattr(session, act)()
        armed.clear()
        assert session.text == "to " + expected[:10]
    assert session.write(50) == expected[10:]
    assert session.undo().undo().text == "to "
    with pytest.raises(IndexError, match="nothing to undo"):
        session.undo()


@pytest.mark.parametrize("act", [lambda session: session.write(20), lambda session: session.feed(" or not")])
def test_what_is_interrupted_while_it_is_noted_has_not_been(model, monkeypatch, act):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    session, other = (model.session("to ", random_state=3) for _ in range(2))
    with monkeypatch.context() as patched:
        patched.setattr(Change, "between", interrupt)  # the text has grown by then
        with pytest.raises(KeyboardInterrupt):
            act(session)
    assert session.text == "to "
    assert session.write(20) == other.write(20)
    assert session.text == other.text


def test_probabilities_that_are_interrupted_have_read_nothing(model, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    session, other = (model.session("to ", random_state=3) for _ in range(2))
    with monkeypatch.context() as patched:
        patched.setattr(Drawer, "draw", interrupt)
        with pytest.raises(KeyboardInterrupt):
            session.probabilities()
    assert session.probabilities() == other.probabilities()
    assert session.write(20) == other.write(20)


def anything(text):
    """A constraint that reads the text and lets everything come."""


def test_a_long_text_is_not_kept_again_and_again(model):
    """A thousand calls can be taken back for little more than the text itself, whatever was read and written."""
    session = model.session("to ", random_state=3, constraint=anything)
    for _ in range(80):
        session.feed("to be or not " * 50)
    here, texts = session.snapshot(), [session.text]
    for i in range(200):
        if i % 4:
            session.step()
        else:
            session.restore(here)
        texts.append(session.text)
    assert len(pickle.dumps(session)) - len(pickle.dumps(model.session())) < 10 * len(session.text)
    while texts:
        assert session.text == texts.pop()
        if texts:
            session.undo()
    assert session.undo().text == "to " + "to be or not " * 79 * 50


@pytest.mark.parametrize(("earlier", "later"), [("", ""), ("ab", "abc"), ("abc", "ab"), ("abc", "xbc"), ("", "a")])
def test_a_change_leads_back(earlier, later):
    assert Change.between(earlier, later).back(later) == earlier


def test_a_snapshot_is_a_place_to_come_back_to(model):
    session = model.session("to ", random_state=3, repetition_penalty=1.5)
    session.write(10)
    here, text = session.snapshot(), session.text
    first = session.write(40)
    session.feed("or not")
    for _ in range(2):
        session.restore(here)
        assert session.text == text
        assert session.write(40) == first
    session.restore(here).undo()
    assert session.text == text + first


def test_branches_go_their_own_ways(model):
    session = model.session("to ", random_state=3, temperature=2.0)
    session.write(10)
    here = session.snapshot()
    branches = [session.branch() for _ in range(4)]
    texts = [branch.write(30) for branch in branches] + [session.write(30)]
    assert len(set(texts)) == 5
    assert all(branch.text.startswith(here.text) for branch in branches)
    assert texts[-1] == session.restore(here).write(30)
    again = model.session("to ", random_state=3, temperature=2.0)
    again.write(10)
    assert [again.branch().write(30) for _ in range(4)] == texts[:4]
    assert [branch.probabilities() for branch in (session.branch(), session)] == [session.probabilities()] * 2


def test_a_session_can_be_pickled(model):
    session = model.session("to ", random_state=3, top_p=0.9)
    session.write(10)
    other = pickle.loads(pickle.dumps(session))
    assert other.text == session.text
    assert other.write(50) == session.write(50)
    assert other.undo().text == session.undo().text
    assert other.undo().text == "to "


def test_a_document_comes_to_its_end():
    names = CharRNN(hidden_size=16, epochs=30, random_state=0, verbose=False).fit(["anna", "hanna", "bob", "nan"] * 20)
    session = names.session("an", random_state=1)
    assert 0 < session.probabilities()[""] < 1
    assert session.write(100) == names.sample(prompt="an", random_state=1)
    assert session.is_over
    assert session.step() == ""
    assert set(session.probabilities().values()) == {0.0}
    with pytest.raises(ValueError, match="this text is over"):
        session.feed("a")
    while session.is_over:
        session.undo()
    assert session.text == "an"
    assert "".join(names.session("an", random_state=1)) == names.sample(prompt="an", random_state=1)


@pytest.mark.parametrize("name", ["length", "stop", "min_length", "beam"])
def test_what_a_session_does_not_take(model, name):
    with pytest.raises(ValueError, match=name):
        model.session(**{name: 3, "temperature": 0})
    with pytest.raises((TypeError, ValueError), match="n must be"):
        model.session().write(-1)


def test_characters_come_asynchronously(model):
    async def take(characters, n):
        found = []
        async for character in characters:
            found.append(character)
            if len(found) == n:
                break
        return "".join(found)

    expected = model.sample(30, prompt="to ", random_state=2)
    assert asyncio.run(take(model.stream(30, prompt="to ", random_state=2), 99)) == expected
    assert asyncio.run(take(model.session("to ", random_state=2), 30)) == expected

    async def both():
        streams = (model.stream(30, prompt="to ", random_state=2) for _ in range(4))
        return await asyncio.gather(*(take(stream, 99) for stream in streams))

    assert asyncio.run(both()) == [expected] * 4


def test_a_moment_of_another_session_is_refused(model):
    session, other = model.session("to be", random_state=0), model.session("to be", repetition_penalty=1.2)
    larger = CharRNN(hidden_size=9, max_updates=2).fit("to be or not").session("to")
    expected = model.session("to be", random_state=0).write(9)
    for moment in (other.snapshot(), larger.snapshot()):
        with pytest.raises(ValueError, match="moment is of another network, or of a session with other settings"):
            session.restore(moment)
    with pytest.raises(TypeError, match=r"moment must be what snapshot\(\) returned, got 'x'"):
        session.restore("x")
    assert (session.text, session.write(9)) == ("to be", expected)
