"""The benchmark of a server under load, for two seconds."""

import importlib.util
from pathlib import Path

from pycharrnn import CharRNN, datasets


def test_each_of_many_texts_is_complete_and_its_own(tmp_path, capsys):
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "serving.py"
    spec = importlib.util.spec_from_file_location("serving_under_load", path)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    text = datasets.load("tinyshakespeare")
    model = CharRNN(hidden_size=16, max_updates=200, epochs=None, random_state=0, verbose=False).fit(text)
    model.save(tmp_path / "model.safetensors")
    found = benchmark.measure(tmp_path / "model.safetensors", 40, 2)
    assert len(found) >= 40
    assert len({one.seed for one in found}) == len(found)
    assert benchmark.wrong(model, found) == []
    assert "p95" in capsys.readouterr().out
    assert benchmark.wrong(model, [found[0]._replace(text=found[0].text + "a")]) == [found[0].seed]
    assert benchmark.wrong(model, [found[0]._replace(end="length")]) == [found[0].seed]
