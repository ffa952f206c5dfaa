"""The report: one HTML page that is complete, harmless and right, or no file at all."""

import re
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from pycharrnn import CharRNN, read_documents
from pycharrnn.benchmark import NumpyCharRNN
from pycharrnn.errors import TrainingDivergedError
from pycharrnn.lab import experiments, report
from pycharrnn.lab.gradient_table import GradientError, GradientTable
from pycharrnn.lab.page import duration

QUICK = {"seq_lengths": (3,), "memorize": 0, "numpy_seconds": 0, "sample_every": 20, "sample_length": 50}
CURVES, NUMBERS = ["Loss", "The best model", "Text as it evolves"], ["Gradient check", "Settings"]
NAMES = ["anna", "bob", "carla", "dan", "ann", "<b>eve</b>"]
VOID = {"meta", "br", "img", "input", "link", "hr"}


class Page(HTMLParser):
    """A page whose tags are balanced: its attributes and the text of its elements."""

    def __init__(self, path):
        super().__init__()
        self.open = []
        self.tags = set()
        self.attributes = []
        self.found = []
        self.html = Path(path).read_bytes().decode("utf-8")
        self.feed(self.html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            inside = {key for _, key, _, _ in self.open}
            self.found.append((tag, dict(attrs).get("id"), [], inside))
            self.open.append(self.found[-1])

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag
        if tag in ("td", "th", "dt", "dd", "small"):
            self.handle_data(" ")  # what stands apart on the page

    def handle_data(self, data):
        for _, _, text, _ in self.open:
            text.append(data)

    def texts(self, tag, inside=None):
        """The text of each element with this tag or id, inside the one with that id, white space as it is."""
        found = [one for one in self.found if inside is None or inside in one[3]]
        return ["".join(text) for name, key, text, _ in found if tag in (name, key)]

    def words(self, tag):
        """The text of the one element with this tag or id, white space normalised."""
        [text] = self.texts(tag)
        return " ".join(text.split())


def small(**params):
    return CharRNN(**({"hidden_size": 6, "max_updates": 60, "random_state": 3, "verbose": False} | params))


def written(tmp_path, X, model=None, **options):
    """The report and its page."""
    found = report.write(tmp_path / "report.html", X, small() if model is None else model, **(QUICK | options))
    return found, Page(tmp_path / "report.html")


def test_the_page_says_what_the_model_did(tmp_path, text):
    model, lines = small(), []
    found, page = written(tmp_path, text, model, memorize=20, numpy_seconds=0.01, log=lines.append)
    assert found.model is model
    assert found.best == model.best_
    assert found.path == str(tmp_path / "report.html")
    assert 0 < found.seconds < 60
    assert page.texts("h2") == [*CURVES, "Memorised", "Beside NumPy", *NUMBERS]  # numbers in rows come last
    n_entries = 2 * sum(array.size for array in model.params_.values())
    begin = f"checking gradients: {n_entries} entries, at most 60 s"
    assert lines == [
        begin,
        "training, at most 60 updates or 4 epochs",
        "memorising 20 characters, at most 5,000 epochs or 30 s",
        "timing NumPy, 0.01 s",
        f"evaluating {len(text):,} of {len(text):,} characters",
        f"writing {tmp_path / 'report.html'}",
    ]
    assert page.words("h1") == f"a text of {len(text):,} characters"
    summary = page.words("dl")
    evaluation = model.evaluate(text)
    best = model.best_
    epochs = model.n_updates_ * 25 / (len(text) - 1)
    assert f"{model.n_updates_} updates, {epochs:.2f} epochs" in summary
    last = f"smooth loss {model.smooth_loss_ / 25:.3f} nats per character at the end, {model.smooth_loss_:.2f} per"
    assert last in summary
    chosen = f"the loss on the training text was lowest, {best.training_loss:.3f} nats per character"
    assert f"weights after update {best.n_updates}, where {chosen}" in page.words("body")
    assert f"on the training text {evaluation.nats:.3f} nats per character, {evaluation.bits:.3f} bits" in summary
    assert f"perplexity {evaluation.perplexity:.2f} of {len(set(text))} symbols" in summary
    assert f"gradients right norm errors up to {found.gradients.norm_error:.1e}" in summary
    assert "CharRNN(hidden_size=6, max_updates=60, random_state=3)" in page.texts("code")
    assert {"AdaGrad(eps=1e-08)", "0.1"} <= set(page.texts("code"))  # what was meant by None and a name
    assert page.html.count("<svg") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_the_gradient_table_has_every_measure(tmp_path, text):
    found, page = written(tmp_path, text, seq_lengths=(2, 3), batches=2)
    table = page.words("gradients")
    assert [(row.seq_length, row.batch, row.name) for row in found.gradients] == [
        (T, batch, name) for T in (2, 3) for batch in (1, 2) for name in "UWbVc"
    ]
    for row in found.gradients:
        measures = f"{row.max_error:.1e} {row.sum_error:.1e} {row.norm_error:.1e}"
        assert f"{row.name} {row.n_entries} {measures} 100 %" in table
    assert all(f"seq_length {T}, {n} batch" in table for T in (2, 3) for n in ("first", "second"))
    summary = page.words("tensors")
    for name, array in found.model.params_.items():
        rows = [row for row in found.gradients if row.name == name]
        largest = f"{max(row.max_error for row in rows):.1e} {sum(row.sum_error for row in rows):.1e}"
        assert f"{name} {4 * array.size} {largest} {max(row.norm_error for row in rows):.1e} 100 %" in summary
    weights = sum(value.size for value in found.model.params_.values())
    assert f"all {4 * weights:,} {found.gradients.max_error:.1e}" in summary
    assert page.texts("summary") == ["Each window: seq_length 2, 3", "All parameters"]
    assert "details::details-content" in page.html.partition("@media print")[2]  # on paper nobody can unfold them


def test_a_sample_of_entries_and_a_check_that_was_cut_off_are_said(tmp_path, text, monkeypatch):
    _, page = written(tmp_path, text, seq_lengths=(3,), max_entries=5)
    assert re.search(r"U 5 of \d+ .* c 5 of \d+ ", page.words("gradients"))
    assert re.search(r"U 10 of \d+ .* all 50 of \d+ ", page.words("tensors"))
    assert "a third each drawn among the largest" in page.words("body")
    assert "cut off" not in page.words("body")
    _, page = written(tmp_path, text, seq_lengths=(3, 25), max_entries=None, check_seconds=0.01)
    assert "The check was cut off by its limit of 0.01 s" in page.words("body")
    wrong = [GradientError(3, 1, "U", 1.0, 1.0, 1.0, 0.0, 5, 5, 1e-6)]
    monkeypatch.setattr(CharRNN, "check_gradients", lambda *_, **__: GradientTable(wrong))
    _, page = written(tmp_path, text)
    assert "gradients wrong norm errors up to 1.0e+00" in page.words("dl")


def test_what_the_best_model_was_chosen_by(tmp_path, text):
    _, page = written(tmp_path, text * 60)
    assert "where the loss on a fixed part of the training text was lowest" in page.words("body")
    _, page = written(tmp_path, text, small(validation_fraction=0.2), compare=("clip_norm", [3.0]))
    assert "where the loss on the validation text was lowest" in page.words("body")
    assert "best: the lowest loss on the validation text" in page.words("body")


def test_windows_longer_than_the_text_are_named(tmp_path):
    _, page = written(tmp_path, "abcabcab", seq_lengths=(3, 4, 25))  # two windows of 3 need 7 characters, of 4 nine
    assert "seq_length 3, second batch" in page.words("gradients")
    assert "Not checked: seq_length 4, 25." in page.html
    found, page = written(tmp_path, "abc", seq_lengths=(25,))
    assert not found.gradients
    assert page.texts("gradients") == []
    assert "Not checked: seq_length 25." in page.html
    _, page = written(tmp_path, "abc", seq_lengths=())
    assert "Left out: no seq_lengths were asked for." in page.html


def test_texts_stand_there_exactly(tmp_path, text):
    found, page = written(tmp_path, text, sample_every=20, sample_length=77)
    best, *evolving = page.texts("pre")[:-1]  # the last says how to repeat it
    history = found.model.history_
    assert [e.removeprefix("\n") for e in evolving] == [sample.text for sample in history.texts]
    later = (f"Update {n}, smooth loss {loss / 25:.2f} nats per character" for n, loss, _ in history.texts[1:])
    headings = ["Update 0", *later]
    assert page.texts("h3") == headings
    assert best.removeprefix("\n") == found.model.sample(77, random_state=3)
    assert len(evolving) == 4


def test_many_texts_are_thinned_out_and_counted(tmp_path, text):
    _, page = written(tmp_path, text, sample_every=1)
    headings = page.texts("h3")
    assert len(headings) == 24
    assert headings[0] == "Update 0"
    assert headings[-1].startswith("Update 60, ")
    assert "24 of 61 texts, evenly chosen;\n37 are left out." in page.html


def test_a_second_run_writes_the_same_texts(tmp_path, text):
    found, first = written(tmp_path, text, small(random_state=None))
    seed = found.model.random_state
    assert isinstance(seed, int)
    assert 0 <= seed < 2**32
    assert f"random_state={seed})" in first.html
    _, second = written(tmp_path, text, small(random_state=seed))
    assert second.texts("pre") == first.texts("pre")
    assert second.texts("figcaption") == first.texts("figcaption")
    _, other = written(tmp_path, text, small(random_state=None))
    assert other.texts("pre") != first.texts("pre")


def test_a_limit_of_time_is_repeated_by_updates(tmp_path, text):
    found, page = written(tmp_path, text, small(max_updates=None, epochs=None, max_seconds=0.02), sample_every=10**6)
    assert f"CharRNN(hidden_size=6, epochs=None, max_updates={found.model.n_updates_}, random_state=3)" in page.html
    assert "had a limit of time" in page.html


def test_nothing_is_fetched_or_run(tmp_path, text):
    _, page = written(tmp_path, text, memorize=20, numpy_seconds=0.01, compare=("dtype", ["float64"]))
    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form", "image", "audio"}
    assert all(not name.startswith("on") for name, _ in page.attributes)
    links = [value for name, value in page.attributes if name.rpartition(":")[2] in ("href", "src", "srcset", "data")]
    assert links  # those of the figures, to themselves
    assert all(value.startswith("#") for value in links)
    assert re.findall(r"url\((?!#)|@import", page.html) == []
    names = {value for name, value in page.attributes if name.startswith("xmlns")}
    assert set(re.findall(r'https?:[^"]*', page.html)) == names  # names of namespaces, which nobody fetches
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'; img-src data:") in page.attributes
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))  # two figures on one page


def test_hostile_text_is_shown_and_does_nothing(tmp_path):
    text = (
        "\n<script>alert(1)</script></pre>&amp;{{ 7 * 7 }}{% raw %} e\u0301 שלום \u202e\x00\x1b\r\x85\x7f\ud800\"'" * 2
    )
    name = "<script>alert('\udcff')</script>"
    found, page = written(tmp_path, text, small(max_updates=None, epochs=2), source=name, memorize=len(text) // 2)
    assert "script" not in page.tags
    visible = text[: len(text) // 2].translate(
        {0x202E: "\\u202e", 0: "␀", 27: "␛", 13: "␍", 0x85: "\\u0085", 127: "␡", 0xD800: "\\ud800"}
    )
    assert (
        page.texts("td", "memorised")[0] == "\n" + visible
    )  # the parser keeps the line end after <pre>, which browsers drop
    assert page.words("h1") == page.words("title").removesuffix(" – pycharrnn") == name.replace("\udcff", "\\udcff")
    assert page.texts("h2") == [*CURVES, "Memorised", *NUMBERS]
    assert not set(page.html) & {"\x00", "\x1b", "\r", "\x85", "\x7f", "\u202e"}
    assert found.model.vocabulary_.end is None


def test_memorised(tmp_path):
    _, page = written(tmp_path, "hello world" + "low word" * 9, memorize=11)
    assert "on the first 11 characters alone, 5,000 updates" in page.words("body")  # a window is longer than that
    assert "it writes exactly the training text" in page.words("body")
    [expected, found, equal] = page.texts("td", "memorised")
    assert expected.strip() == found.strip() == "hello world"
    assert page.texts("mark") == ["h"]
    assert equal == "yes"
    first, last = re.search(
        r"loss went from (\S+) for the first window to (\S+) nats per character", page.words("body")
    ).groups()
    assert float(first) == pytest.approx(2.0794, abs=0.004)  # log 8, of 8 distinct characters
    assert float(last) < 0.1


def test_the_network_memorises_without_n_grams():
    model = CharRNN(hidden_size=16, ngram_order=4, random_state=0, verbose=False).fit("hello world " * 10)
    found = experiments.memorise(model, "hello world", 11)
    assert found.training.model.ngram_share_ is None
    assert found.n_equal == 1


def test_what_is_not_memorised_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "LIMITS", experiments.Limits(epochs=1))
    _, page = written(tmp_path, "hello world" * 9, memorize=11)
    expected = small(epochs=1, max_updates=None).fit("hello world").sample(10, prompt="h", temperature=0)
    assert page.texts("td", "memorised")[1].strip("\n") == "h" + expected
    assert "a text that is not equal to the training text" in page.words("body")
    assert page.texts("td", "memorised")[2] == "no"


def test_comparison(tmp_path, text):
    lines = []
    options = {"compare": ("optimizer", ["sgd", "adagrad", "adam"]), "log": lines.append}
    found, page = written(tmp_path, text, small(learning_rate=0.3), **options)
    own, sgd = found.model, small(optimizer="sgd", learning_rate=0.3).fit(text)
    table = page.words("comparison")
    assert [line.partition(",")[0] for line in lines if "training" in line] == [
        "training optimizer=adagrad", "training optimizer=sgd", "training optimizer=adam"
    ]  # fmt: skip
    assert sgd.best_.n_updates == 0
    for name, model in (("sgd", sgd), ("adagrad", own)):
        best, last = model.best_, model.smooth_loss_
        numbers = f"{last:.2f} {last / 25:.3f} {best.training_loss:.3f} {best.n_updates} "
        assert f"optimizer={name} 60 {numbers}" in table
    assert table.index("=sgd") < table.index("=adagrad") < table.index("=adam")  # as they were given
    assert page.texts("h2") == [*CURVES, "Comparison", *NUMBERS]
    assert page.html.count("<svg") == 2


def test_comparison_of_lengths_and_rates(tmp_path, text):
    _, page = written(tmp_path, text, compare=("seq_length", [5]))
    assert re.search(r"training .* seq_length=25 60 .* seq_length=5 60", page.words("comparison"))
    _, page = written(tmp_path, text, compare=("learning_rate", [0.1, 0.05]))  # the first is AdaGrad's own
    assert len(page.texts("comparison")[0].split("learning_rate=")) == 3


def test_what_is_compared_may_diverge_but_not_the_model(tmp_path, text):
    _, page = written(tmp_path, text[:100], small(), compare=("init_scale", [1e38]))  # at once
    assert "init_scale=1e+38 (diverged) 0 – – – 0 " in page.words("comparison")
    (tmp_path / "report.html").write_text("old")
    with pytest.raises(TrainingDivergedError):
        written(tmp_path, text[:100], small(init_scale=1e38))
    assert (tmp_path / "report.html").read_text() == "old"


def test_time_beside_numpy(tmp_path, text):
    _, page = written(tmp_path, text, numpy_seconds=0.05)
    table = page.words("timing")
    row = re.search(r"pycharrnn, float32 60 \S+ s \S+ 1 NumPy, float64 60 (\S+) s (\S+) (\S+)$", table)
    seconds, each, ratio = (float(number.replace(",", "")) for number in row.groups())
    assert seconds == pytest.approx(60 * each / 1e6, rel=0.1)  # extrapolated, and rounded
    assert f"{ratio:g} times as long" in page.words("body")
    assert int(re.search(r"extrapolated from (\S+) update", page.words("body"))[1].replace(",", "")) > 1


@pytest.mark.parametrize(
    "change", [{"cell": "gru"}, {"num_layers": 2}, {"batch_size": 120, "dropout": 0.5, "patience": 2}]
)
def test_a_loop_that_computes_something_else_is_not_timed(tmp_path, text, change):
    options = {"memorize": 100, "numpy_seconds": 0.05}  # a batch of more streams than there are characters to memorise
    _, page = written(tmp_path, text, small(**change, validation_fraction=0.2), **options)
    assert "NumPy loop" not in page.words("body")
    assert "Memorised" in page.words("body")


def test_documents(tmp_path):
    source = tmp_path / "names.jsonl"
    source.write_text('"anna"\n"bob"\n"ann"\n"<b>eve</b>"\n7\n')
    documents = read_documents(source, on_bad="skip")
    source.unlink()
    found, page = written(tmp_path, documents, small(hidden_size=16), memorize=11, numpy_seconds=0.01)
    assert page.words("h1") == "names.jsonl"
    distinct = len(set("".join(documents)))
    assert f"4 documents of 20 characters ({distinct} distinct); 1 row left out" in page.words("body")
    rng = np.random.default_rng(3)
    texts = [found.model.sample(50, random_state=rng) for _ in range(20)]
    shown = [item.removeprefix("\n").replace("(empty)", "").removesuffix(" … (cut off)") for item in page.texts("li")]
    assert shown == texts
    assert "b" not in page.tags
    # "ann" begins "anna": no beginning of it tells the two apart
    assert page.texts("mark") == ["anna", "b", "ann"]
    assert page.words("memorised").startswith("training text written (given: bold) equal anna anna yes bob bob yes ann")
    assert f"{found.model.n_updates_} updates" in page.words("dl")


def test_what_takes_long_is_cut_off_and_said(tmp_path, monkeypatch):
    """Whatever the text and the network: memorising, evaluating, writing and timing have their bounds."""
    monkeypatch.setattr(experiments, "LIMITS", experiments.Limits(seconds=0.05, work=1e5))
    lines = []
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 1000))) * 3
    begin = time.perf_counter()
    options = {"memorize": 1000, "numpy_seconds": 0.01, "max_entries": 3, "log": lines.append}
    found, page = written(tmp_path, text, small(max_updates=2), **options)
    assert time.perf_counter() - begin < 20
    n_weights = sum(array.size for array in found.model.params_.values())
    n = int(1e5 / n_weights)
    assert f"evaluating {n} of 3,000 characters" in lines
    nats = found.model.evaluate(text[:n]).nats
    assert f"the first {n} characters {nats:.3f} nats per character" in page.words("dl")
    epochs = re.search(r"trained (\d+) epochs, cut off after 0\.\d+ s, on the first 1,000", page.words("body"))
    assert 1 <= int(epochs[1]) < 5000
    monkeypatch.setattr(experiments, "LIMITS", experiments.Limits(weights=10))
    _, page = written(tmp_path, "abc" * 99, numpy_seconds=1.0)
    assert "Beside NumPy" not in page.texts("h2")


def test_documents_that_do_not_end_are_few(tmp_path):
    characters = "".join(map(chr, range(0x4E00, 0x4E00 + 500)))  # an end is as likely as each of them
    found, page = written(tmp_path, [characters * 6, characters], small(max_updates=1), sample_length=10)
    shown = [text.removeprefix("\n") for text in page.texts("li")]
    assert sum(len(text.removesuffix(" … (cut off)")) for text in shown) == 20 * 10
    assert shown[-1].endswith(" … (cut off)")
    assert len(shown) < 20
    assert found.model.sample(200, random_state=np.random.default_rng(3))[:100] == shown[0][:100]


def test_a_slow_numpy_loop_is_timed_by_its_first_update(tmp_path, text, monkeypatch):
    calls, right = [], NumpyCharRNN.train
    monkeypatch.setattr(NumpyCharRNN, "train", lambda *arguments: calls.append(right(*arguments)))
    _, page = written(tmp_path, text, numpy_seconds=1e-6)
    assert len(calls) == 1
    assert "extrapolated from 1 update." in page.words("body")


def test_the_beginnings_of_many_texts_are_found_at_once():
    texts = [f"{i:06d}" for i in range(0, 200_000, 10)]
    begin = time.thread_time()
    found = experiments.beginnings(texts)
    assert time.thread_time() - begin < 5
    assert (found["000000"], found["199990"]) == ("00000", "19999")
    assert experiments.beginnings(["ann", "anna", "b"]) == {"ann": "ann", "anna": "anna", "b": "b"}
    assert experiments.beginnings(["one"]) == {"one": "o"}


def test_a_first_document_too_long_to_learn_is_cut(tmp_path):
    _, page = written(tmp_path, ["a long document", "b"], memorize=6)
    assert page.texts("td", "memorised")[0].strip() == "a long"


def test_the_text_of_a_file(tmp_path, text):
    path = tmp_path / "song & dance.txt"
    path.write_text(text)
    _, page = written(tmp_path, path)
    assert page.words("h1") == "song & dance.txt"
    with pytest.raises(ValueError, match=r"path '.*song & dance.txt' is the text itself"):
        report.write(path, path)
    assert path.read_text() == text


@pytest.mark.parametrize("text", ["abc", "ab", "aaaa", "0110100110010110" * 4], ids=["abc", "ab", "aaaa", "binary"])
def test_small_texts(tmp_path, text):
    found, page = written(tmp_path, text, memorize=100, numpy_seconds=0.001, seq_lengths=(1, 50))
    assert page.texts("h2") == [*CURVES, "Memorised", "Beside NumPy", *NUMBERS]
    assert f"{found.model.n_updates_}" in page.words("timing")
    assert "Not checked: seq_length" in page.html


# --- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["jinja2", "matplotlib"])
def test_a_missing_library_is_known_before_the_training(tmp_path, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    model = small()
    with pytest.raises(ImportError, match=r'pip install "pycharrnn\[report\]"'):
        written(tmp_path, "to be or not to be", model)
    assert not model.__sklearn_is_fitted__()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"sample_every": 0}, ValueError, "sample_every must be at least 1"),
        ({"sample_length": 0}, ValueError, "sample_length must be at least 1"),
        ({"seq_lengths": 5}, TypeError, "seq_lengths must be a sequence of integers, got 5"),
        ({"seq_lengths": (5, 0)}, ValueError, "seq_lengths must be at least 1"),
        ({"batches": 0}, ValueError, "batches must be at least 1"),
        ({"h": 0}, ValueError, "h must be finite and above 0"),
        ({"eps": -1}, ValueError, "eps must be finite and above 0"),
        ({"tolerance": "x"}, TypeError, "tolerance must be a number"),
        ({"max_entries": 0}, ValueError, "max_entries must be at least 1"),
        ({"check_seconds": 0}, ValueError, "check_seconds must be finite and above 0"),
        ({"memorize": -1}, ValueError, "memorize must be at least 0"),
        ({"memorize": 1}, ValueError, "memorize must be 0 or at least 2"),
        ({"numpy_seconds": float("nan")}, ValueError, "numpy_seconds must be finite and at least 0"),
        ({"compare": "optimizer"}, ValueError, "compare must be .* got 'optimizer'"),
        ({"compare": ("optimizer", "sgd")}, ValueError, "compare must be"),
        ({"compare": ("verbose", [True])}, ValueError, "the parameter in compare must be one of .* got 'verbose'"),
        ({"compare": ("optimizer", ["sgd", "best"])}, ValueError, "optimizer must be one of .* got 'best'"),
        ({"compare": ("seq_length", [25])}, ValueError, "compare must have a value of seq_length other than .* 25"),
        ({"model": CharRNN(hidden_size=0)}, ValueError, "hidden_size must be at least 1"),
        ({"model": "CharRNN"}, TypeError, "model must be a CharRNN or None, got 'CharRNN'"),
        ({"path": None}, TypeError, "path must be a str or path-like, got None"),
        ({"X": ""}, ValueError, "text is empty"),
        ({"X": "a"}, ValueError, "the text has 1 character"),
        ({"X": Path("none.txt")}, FileNotFoundError, "X names no file"),
    ],
)
def test_errors_name_what_is_wrong_before_the_training(tmp_path, options, error, message):
    model = small()
    arguments = QUICK | {"path": tmp_path / "report.html", "X": "to be or not to be", "model": model} | options
    with pytest.raises(error, match=message):
        report.write(**arguments)
    assert not model.__sklearn_is_fitted__()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "nowhere/report.html", "file/report.html"])
def test_a_path_that_cannot_be_written_is_known_before_the_training(tmp_path, name):
    (tmp_path / "file").write_text("a file is no folder")
    model = small()
    with pytest.raises(OSError, match=r"path (cannot be written|is a directory)") as caught:
        report.write(tmp_path / name, "to be or not to be", model, **QUICK)
    assert caught.value.filename == str(tmp_path / name)
    assert not model.__sklearn_is_fitted__()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("moment", ["training", "timing NumPy", "writing"])
def test_an_interrupt_leaves_the_old_file(tmp_path, text, moment):
    path = tmp_path / "report.html"
    path.write_text("old")

    def interrupt(line):
        if line.startswith(moment):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        written(tmp_path, text, numpy_seconds=0.001, log=interrupt)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file(tmp_path, text, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pycharrnn.files.atomic.os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        written(tmp_path, text)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.00123, "0.0012 s"), (4.12, "4.1 s"), (59.9, "59.9 s"), (59.96, "1 min 0 s"), (101, "1 min 41 s"),
     (3599.7, "1 h 0 min"), (5400, "1 h 30 min")],
)  # fmt: skip
def test_durations(seconds, said):
    assert duration(seconds) == said
