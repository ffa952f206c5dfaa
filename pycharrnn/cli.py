"""The command line: the API's words as options, the text on stdout, everything else on stderr.

Exit codes: 0 done; 1 it failed (a file, a text, a model, a training that diverged, a check); 2 wrong usage; 130
interrupted; 141 nobody reads stdout any more. Text is written as UTF-8 whatever the locale; a lone surrogate, which a
model knows only if it was trained on one from Python, as the three bytes of its code point. A terminal gets it in its
own encoding, with escapes for what that lacks and for control characters.

A command is a function and a row of `_COMMANDS`; `main` gets it the model and the text, and turns errors into messages.
Options that are not given do not exist, so that the defaults are those of the API.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import io
import math
import os
import re
import shlex
import shutil
import sys
import tempfile
import textwrap
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from pycharrnn import CharRNN, SampleText, __version__, benchmark, datasets
from pycharrnn.arguments import close
from pycharrnn.errors import ModelFileError, TrainingDivergedError
from pycharrnn.interrupts import Interrupts
from pycharrnn.lab import report
from pycharrnn.model import PRESETS
from pycharrnn.output import count, escaped, write
from pycharrnn.text.documents import read_documents, suffix
from pycharrnn.text.reading import decode
from pycharrnn.training.budget import Budget
from pycharrnn.training.progress import clear_lines
from pycharrnn.training.run import Run

Options = dict[str, Any]
Text = str | list[str]

_LIMITS = ("epochs", "max_updates", "max_seconds")
_interrupts = Interrupts()
_COOL = 0.6  # the temperature at which train writes: fewer slips than at 1, and still its own words
_TRIAL, _LITTLE = 20, 0.01  # updates that should teach something, and nats per character that chance may give
_DOCUMENTS = (".json", ".jsonl", ".ndjson", ".csv", ".tsv")  # what holds documents by its name
_FEW, _FEW_DOCUMENTS = 1_000, 20  # characters of a text, a part of which would tell nothing about the rest


class _Stop(Exception):
    """End with a message for the user and an exit code."""


class _Watch(SampleText):
    """Texts of the training for stdout, which end it when stdout does not take them: the exit code tells why."""

    def on_error(self, error: Exception) -> None:
        raise error


class _Announce:
    """Says what is trained on what, and for how long, when it begins."""

    def __init__(self, model: CharRNN, source: str) -> None:
        self.every = model.n_updates_ if hasattr(model, "vocabulary_") else 2**62  # updates: now, and hardly again
        network = f"{'a' if model.cell == 'gru' else 'an'} {model.cell.upper()}"
        layers = "" if model.num_layers == 1 else f"{model.num_layers} x "
        budget = Budget(model.epochs, model.max_updates, model.max_seconds)
        self.line = f"training {network} of {layers}{model.hidden_size} units on {source} for {budget}"

    def __call__(self, run: Run) -> None:
        if run.n_updates == run.first:
            _log(f"{self.line}; Ctrl-C ends it early")


def _train(options: Options, model: CharRNN, text: Text, source: str) -> None:
    seen: list[Run] = []  # the one run, as often as it called back
    stopped: BaseException | None = None
    talk = options.get("verbose", True)  # --quiet
    watch: list[Callable[[Run], object]] = [_Announce(model, source)] if talk else []
    if "sample_every" in options:
        watch.append(_Watch(options["sample_every"]))
    if "validation_fraction" not in options and len(text) < (_FEW_DOCUMENTS if isinstance(text, list) else _FEW):
        model.set_params(validation_fraction=0.0)
    model.set_params(verbose=talk)
    train = partial(model.partial_fit, epochs=model.epochs) if "model" in options else model.fit
    try:
        train(text, callbacks=[seen.append, *watch])
        _interrupts.hold()  # in here, so that there is no moment at which a signal loses the model
    except (KeyboardInterrupt, OSError) as error:  # OSError: stdout does not take the texts of --sample-every
        _interrupts.hold()
        if not seen and isinstance(error, KeyboardInterrupt):
            by, code = getattr(error, "by", ""), getattr(error, "code", 130)
            raise _Stop(f"interrupted{by} before the first update; no file was written", code) from None
        if not seen:
            raise
        stopped = error
    if stopped is None:
        _check_learned(model, seen[0])
    with _interrupts.held():
        if "output" in options:
            model.save(options["output"])
        by = getattr(stopped, "by", "")
        _log(f"{'interrupted' + by if stopped else 'done'}: {_summary(model, seen[0], text, source, options)}")
    if isinstance(stopped, KeyboardInterrupt):
        raise _Stop("", getattr(stopped, "code", 130))
    if stopped is not None:
        raise stopped
    if isinstance(text, list):
        _write(model.sample(n_samples=options.get("sample", 10), temperature=_COOL), documents=True)
    elif options.get("sample") != 0:
        start = next(start for start in ("\n\n", "\n", "") if start in text)  # a paragraph, a line
        _write([model.sample(options.get("sample", 500), prompt=start, temperature=_COOL)])
    if talk and (lines := _next(options)):
        _log("\n".join(("next: " if line is lines[0] else "      ") + line for line in lines))


def _check_learned(model: CharRNN, run: Run) -> None:
    """End with an error unless the weights that were kept are better than those of the start, after a fair trial."""
    best, n = model.best_, run.n_updates - run.first
    if best.training_loss is not None:
        loss, text = best.training_loss, "the text"
    else:
        loss, text = min(best.validation_loss or math.inf, run.nats), "the validation text"
    found = f"{text} takes {loss:.3f} nats per character, and took {run.start:.3f} at the start"
    if run.first and best.n_updates == run.first:
        found = f"{n:,} updates have not made the model better: {found}"
    elif not run.first and loss > run.start - _LITTLE and run.start > _LITTLE:
        found = f"{n:,} updates have taught nothing: {found}"
    else:
        return
    if n >= _TRIAL:
        raise _Stop(f"{found}; train longer or with another --learning-rate (no file was written)", 1)
    _log(f"pycharrnn: warning: {found}; train longer")


def _summary(model: CharRNN, run: Run, text: Text, source: str, options: Options) -> str:
    """How far a training came, how good the model is, and where."""
    best, counted = model.best_, model.history_.baseline
    quality = f"{run.nats:.3f} nats per character"
    if best.validation_loss is not None:
        quality = (
            f"{best.validation_loss:.3f} nats per character on the last {100 * model.validation_fraction:.3g} % of the "
            f"{'documents' if isinstance(text, list) else 'text'}, which it has not seen"
        )
        quality += "" if counted is None else f" (counting {model.history_.baseline_order}-grams: {counted:.3f})"
    file = f"wrote {options['output']!r}" if "output" in options else "no file written (no --output)"
    return f"{run.n_updates - run.first:,} updates on {source} in {run.seconds:.1f} s, {quality}; {file}"


def _next(options: Options) -> list[str]:
    """The commands that a newcomer may want next."""
    first = not options.get("TEXT") and options.keys().isdisjoint({"corpus", "model"})
    output = options.get("output")
    lines, program = [], _program()
    if first and output is None:
        output = "shakespeare.safetensors"
        lines.append(f"{program} train -o {output}")
    if output is not None:
        prompt = " --prompt ROMEO:" * first
        lines.append(f"{program} sample {shlex.quote(output)}{prompt} --temperature {_COOL}")
    if first:
        lines.append(f"{program} train yourtext.txt -o mine.safetensors")
    return lines


def _sample(options: Options, model: CharRNN, text: Text, source: str) -> None:
    documents, given = model.vocabulary_.end is not None, _given(options, CharRNN.sample)
    model.random_state = None  # or each process would write the same text
    n_samples = given.pop("n_samples", None)
    if "stream" not in options:
        _write(model.sample(n_samples=1 if n_samples is None else n_samples, **given), documents)
    elif n_samples is not None:
        raise _Stop("--stream writes one text; leave out --n-samples", 2)
    else:
        given.setdefault("length", None if documents else 200)
        for character in model.stream(**given):
            write(character, sys.stdout)
        write("\n", sys.stdout)


def _eval(options: Options, model: CharRNN, text: Text, source: str) -> None:
    found = model.evaluate(text, **_given(options, CharRNN.evaluate))
    for name, value in zip(("nats per character", "bits per character", "perplexity"), found, strict=False):
        print(f"{name:<18}{value:>14.4f}")
    print(f"{'characters':<18}{found.n_characters:>14,}")


def _check(options: Options, model: CharRNN, text: Text, source: str) -> None:
    table = model.check_gradients(text, **_given(options, CharRNN.check_gradients), log=_log)
    print(table)
    for row in table:
        if not row.norm_error <= row.tolerance:  # NaN is wrong, too
            where = f"{row.name} (seq_length {row.seq_length}, batch {row.batch})"
            raise _Stop(f"the norm error of {where} is {row.norm_error:.1e}, above --tolerance {row.tolerance:g}", 1)


def _report(options: Options, model: CharRNN, text: Text, source: str) -> None:
    title = os.path.basename(os.path.abspath(_paths(options)[0])) if len(_paths(options)) == 1 else source
    model.set_params(verbose=options.get("verbose", True))  # in a pipe it is a line every 30 s
    given = _given(options, report.write) | {"model": model, "source": title, "log": _log}
    done = report.write(options["output"], text, **given)
    if "save" in options:
        model.save(options["save"])
    files = " and ".join(repr(options[name]) for name in ("output", "save") if name in options)
    _log(f"done: wrote {files} in {done.seconds:.1f} s")


def _info(options: Options, model: CharRNN, text: Text, source: str) -> None:
    best, vocabulary = model.best_, model.vocabulary_
    losses = {"validation": best.validation_loss, "training": best.training_loss}
    rows = {
        "file": f"{options['model']!r}, {os.path.getsize(options['model']):,} bytes",
        "trained on": "running text" if vocabulary.end is None else "documents",
        "updates": f"{best.n_updates:,}",
        **{f"{kind} loss": f"{loss:.4f} nats per character" for kind, loss in losses.items() if loss is not None},
        "weights": f"{sum(array.size for array in model.params_.values()):,}",
        "characters": f"{len(vocabulary):,}: {''.join(vocabulary)!r}",
    }
    for name, value in (rows | model.get_params()).items():
        if name != "verbose":  # says how the training was watched
            print(f"{name:<20}{'none' if value is None else value}")


def _bench(options: Options, model: CharRNN, text: Text, source: str) -> None:
    if "full" in options:
        if useless := options.keys() - {"run", "full", "repeats"}:
            names = (name if name == "TEXT" else _option(name) for name in sorted(useless))
            raise _Stop(f"--full has sizes and a text of its own; leave out {', '.join(names)}", 2)
        benchmark.run_full(file=sys.stdout, **_given(options, benchmark.run_full))
        return
    joined = text if isinstance(text, str) else "\n".join(text)
    benchmark.run(file=sys.stdout, **_given(options, benchmark.run) | {"text": joined})


_FIXED = {
    *("preset", "cell", "hidden_size", "num_layers", "dropout", "embedding_size", "label_smoothing", "seq_length"),
    *("initializer", "init_scale", "validation_fraction", "patience", "dtype"),
}  # what training on cannot change


def _model(options: Options) -> CharRNN:
    """The trained model of the options, or a new one."""
    params = _given(options, CharRNN)
    if options["run"] is _check:
        params.pop("max_seconds", None)  # a limit of the check, not of a training
    if "model" in options:
        if options["model"] == "-":
            raise _Stop("a model cannot be read from standard input (./- is a file of that name)", 2)
        if useless := options.keys() & (params if options["run"] is _check else _FIXED):
            names = ", ".join(map(_option, sorted(useless)))
            raise _Stop(f"{names}: only for a new model, but --model names a trained one", 2)
    if any(params.get(name) is not None for name in _LIMITS):  # instead of those of the preset or the file
        params = dict.fromkeys(_LIMITS) | params
    if "model" in options:
        model = CharRNN.load(options["model"]).set_params(**params)
    else:
        model = CharRNN.preset(options.get("preset", _preset(options["run"])), **params)
    model._validate()  # fit does it too, but it must wait for the text
    if options["run"] in (_train, _report):
        Budget(model.epochs, model.max_updates, model.max_seconds)  # which must end
    return model


def _preset(run: Callable[..., None]) -> str:
    """The preset of a command when none is given: what the lab asks about is its classic."""
    return "quick" if run is _train else "classic"


def _check_outputs(options: Options) -> None:
    """Find out before the training, not after it, that a file cannot be written there."""
    taken = {os.path.realpath(path): "the text" for path in _paths(options)}
    for option in (f"--{name}" for name in ("output", "save") if name in options):
        path = options[option[2:]]
        target = os.path.realpath(path)  # where a symbolic link leads
        if path == "-":
            raise _Stop(f"{option} '-' cannot be standard output (./- is a file of that name)", 2)
        if target in taken:
            raise _Stop(f"{option} {path!r} is {taken[target]} itself", 2)
        if os.path.exists(target) and not os.path.isfile(target):
            raise _Stop(f"{option} {path!r} is a directory or a device", 1)
        try:
            tempfile.TemporaryFile(dir=os.path.dirname(target)).close()
        except OSError as error:
            raise _Stop(f"{option} {path!r} cannot be written: {error.strerror}", 1) from None
        taken[target] = option


def _paths(options: Options) -> list[str]:
    """The files that are read, without stdin."""
    return [path for path in options.get("TEXT", ()) if path != "-"]


def _read(options: Options) -> tuple[Text, str]:
    """The text of the options, from files, a folder, stdin or a corpus, and what to call it."""
    paths, given = options.get("TEXT"), _given(options, read_documents)
    if not paths:
        if given:
            raise _Stop(f"{_option(min(given))} is for a TEXT, and there is none", 2)
        name = options.get("corpus", "tinyshakespeare")
        return datasets.load(name), f"corpus {name}"
    if "-" in paths and sys.stdin is None:
        raise _Stop("standard input is closed", 1)
    if paths.count("-") > 1:
        raise _Stop("standard input can be read only once", 2)
    source = ", ".join("standard input" if path == "-" else repr(path) for path in paths[:3])
    source += f" and {len(paths) - 3:,} more" * (len(paths) > 3)
    holds = [suffix(path) in _DOCUMENTS or os.path.isdir(path) or "separator" in given for path in paths]
    if "format" in given:
        holds = [given["format"] != "text"] * len(paths)
    if len(set(holds)) > 1:
        kinds = f"{paths[holds.index(False)]!r} is running text, {paths[holds.index(True)]!r} holds documents"
        raise _Stop(f"{kinds}; give one kind, or say with --format what all of them hold", 2)
    if not holds[0]:
        if useless := given.keys() - {"format", "encoding"}:
            raise _Stop(f"{_option(min(useless))} is for documents, but {source} is running text; see --format", 2)
        text = _running_text(paths, given.get("encoding", "utf-8"))
        if "format" not in given and re.match(r"\s*window\.YTD\.", text):
            raise _Stop(f"{source} is an archive of posts: pass --format json and --field, or --format text", 2)
        return text, source
    files = [sys.stdin.buffer if path == "-" else path for path in paths]
    documents = read_documents(files if len(files) > 1 else files[0], **given)
    skipped, left_out = documents.skipped, documents.left_out
    source = f"{count(len(documents), 'document')} from {source}"
    first = f", {count(len(skipped), 'row')} skipped (first: {skipped[0]})" if skipped else ""
    first += f", {count(len(left_out), 'file')} left out (first: {left_out[0]})" if left_out else ""
    _log(source + documents.kinds + first)
    return documents, source


def _prompt(options: Options) -> str:
    """Put the prompt of a file among the options; what to call the prompt."""
    path = options.get("prompt_file")
    if path is None:
        return "--prompt"
    if path == "-" and sys.stdin is None:
        raise _Stop("standard input is closed", 1)
    source = "standard input" if path == "-" else path
    options["prompt"] = decode(sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes(), source)
    return source if path == "-" else repr(path)


def _running_text(paths: Sequence[str], encoding: str) -> str:
    """The texts of the files, one after the other, with a line end between them that none runs into the next."""
    texts: list[str] = []
    for path in paths:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        if texts and texts[-1] and not texts[-1].endswith(("\n", "\r")):
            texts[-1] += "\r\n" if "\r\n" in texts[-1] else "\n"
        texts.append(decode(data, "standard input" if path == "-" else path, encoding))
    if len(paths) > 1:
        _log(
            f"{len(paths)} texts, joined in this order, each on a line of its own: {sum(map(len, texts)):,} characters"
        )
    return "".join(texts)


def _write(texts: Sequence[str], documents: bool = False) -> None:
    """Print texts, one a line; with a blank line between documents if one of them has line ends itself."""
    blank = documents and any("\n" in text or "\r" in text for text in texts)
    if texts:
        write(("\n\n" if blank else "\n").join(texts) + "\n", sys.stdout)


def _log(line: str) -> None:
    clear_lines()
    with contextlib.suppress(OSError):  # nobody reads stderr any more: no reason to lose what is being done
        write(_folded(escaped(line)) + "\n", sys.stderr)


def _folded(text: str) -> str:
    """The text with lines that a terminal shows without breaking words; anything else than a terminal gets it as is."""
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (AttributeError, OSError, ValueError):  # no stderr, no terminal, or a closed one
        return text
    fold = partial(textwrap.fill, width=max(columns - 1, 20), break_long_words=False, break_on_hyphens=False)
    return "\n".join(
        line if line.startswith("  ") else fold(line, replace_whitespace=False) for line in text.split("\n")
    )


def _program() -> str:
    """What to type to call this program again: its name, or where it is if the shell would not find it."""
    if shutil.which("pycharrnn") or not os.path.basename(sys.argv[0]).startswith("pycharrnn"):
        return "pycharrnn"
    return shlex.quote(sys.argv[0])


def _given(options: Options, function: Callable[..., Any]) -> Options:
    """The function's arguments, of which the options may be some."""
    return {name: options[name] for name in inspect.signature(function).parameters if name in options}


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _with_options(error: Exception) -> str:
    """The message of an error or a warning with options for the API's parameters: --on-bad skip for on_bad='skip'.

    A parameter without a value is known by an underline, or because it "must" be something. What stands in quotes is
    the user's and stays as it is.
    """
    functions = (CharRNN, CharRNN.sample, CharRNN.evaluate, CharRNN.check_gradients, read_documents, report.write)
    known = [p for function in functions for p in inspect.signature(function).parameters.values()]
    names = {p.name for p in known if p.default is not p.empty}
    alone = "|".join(name if "_" in name or name == "epochs" else f"{name}(?= must)" for name in names)
    value = r"""(?:'([^']*)'|"([^"]*)"|([\w.]*))"""
    quoted = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""

    def option(found: re.Match[str]) -> str:
        name, *values = found.groups()
        if found[0] == "None":
            return "none"
        if name is None and found[0][0] in "'\"":
            return found[0]
        value = next((value for value in values if value), "")
        return f"{_option(name or found[0])} {'' if value == 'True' else value.replace('None', 'none')}".rstrip()

    return re.sub(rf"(?<!\w)(?:({'|'.join(names)})={value}|(?:{alone}|None)\b|{quoted})", option, str(error))


class _Once(argparse.Action):
    """Keep the value of an option, or the `const` of a flag. A second one is an error: it would replace the first."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: object, values: Any, option: Any = None) -> None:
        given: dict[str, str] = vars(parser).setdefault("given", {})  # what is kept -> the option that gave it
        if option and self.dest in given:
            same = given[self.dest] in self.option_strings
            raise argparse.ArgumentError(self, "given twice" if same else f"not allowed with {given[self.dest]}")
        given[self.dest] = option
        setattr(namespace, self.dest, values if self.nargs != 0 else self.const)


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        raw = argparse.RawDescriptionHelpFormatter
        super().__init__(allow_abbrev=False, formatter_class=raw, argument_default=argparse.SUPPRESS, **options)
        self.register("action", None, _Once)  # of options that say none

    def error(self, message: str) -> NoReturn:
        raise _Stop(f"{message} (see {self.prog} --help)", 2)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the arguments: unknown ones are an error of this parser, be it that of a command."""
        options, unknown = super().parse_known_args(args and self._in_order(args), namespace)
        if unknown:
            known = [option for action in self._actions for option in action.option_strings]
            questions = (close(word.partition("=")[0], known) for word in unknown if word.startswith("-"))
            self.error(f"unrecognized arguments: {' '.join(unknown)}{''.join(questions)}")
        return options, unknown

    def _in_order(self, args: Sequence[str]) -> list[str]:
        """Options first, then the files of a command: argparse does not take files from both sides of an option."""
        options: list[str] = []
        files: list[str] = []
        rest = iter(args)
        if self._subparsers is not None:
            return [*args]
        for word in rest:
            if word == "--":
                files += rest
            elif word == "-" or not word.startswith("-"):
                files.append(word)
            else:
                options.append(word)
                action = self._option_string_actions.get(word)
                options += islice(rest, int(action is not None and action.nargs != 0))
                if word.startswith("--") and re.fullmatch(r"-(?![-a-zA-Z]).*|---.*", options[-1], re.DOTALL):
                    options[-2:] = ["=".join(options[-2:])]  # as "---", which is no option, but begins like one
        return [*options, "--", *files] if files else options

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = [str(choice) for choice in action.choices]
            question = f"{value!a}{close(value, choices)} (choose from {', '.join(choices)})"
            raise argparse.ArgumentError(action, f"invalid choice: {question}")


def _value(types: set[str], least: int | None = None) -> Callable[[str], Any]:
    """What reads an option of one of these types. The API checks the range of what is its own."""
    kind: Any = next(kind for kind in (float, int, str) if kind.__name__ in types)

    def read(value: str) -> Any:
        if "Sequence" in types:
            return [kind(part) for part in value.split(",")]
        if "None" in types and value.lower() == "none":
            return None
        if "str" in types and not re.fullmatch("[0-9]+", value):  # a name or a number
            return value
        if least is not None and not kind(value) >= least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, got {value}")
        return kind(value)

    read.__name__ = kind.__name__  # for argparse's "invalid int value"
    return read


def _unescaped(value: str) -> str:
    """The text, with the escapes of JSON read."""
    import json  # only now: most commands need none

    def read(escapes: re.Match[str]) -> str:
        try:
            return str(json.loads(f'"{escapes[0]}"'))  # a run of them, since two may be halves of one character
        except ValueError:
            advice = r"write \\ for a backslash, or use --prompt-file"
            raise argparse.ArgumentTypeError(f"unknown escape in {escapes[0]!a}: {advice}") from None

    return re.sub(r"(?s:\\u[0-9a-fA-F]{4}|\\.|\\$)+", read, value)


def _comparison(value: str) -> tuple[str, list[Any]]:
    """NAME=VALUE,VALUE: each value is read as the option of that name reads it."""
    name, equals, values = value.partition("=")
    advice = f"--compare must name an option of the model, as in optimizer=sgd,adam, got {value!a}"
    if not equals:
        raise _Stop(advice, 2)
    words = [f"--{name.replace('_', '-')}={value}" for value in values.split(",")]
    try:
        runs = [_given(vars(_parser().parse_args(["report", word])), CharRNN) for word in words]
    except _Stop as error:
        raise _Stop(f"--compare {value!a}: {error.args[0]}", 2) from None
    if not all(runs):
        raise _Stop(advice, 2)
    return next(iter(runs[0])), [value for run in runs for value in run.values()]


def _add(to: Any, function: Callable[..., Any], only: Sequence[str], preset: Options) -> None:
    """Add an option for each parameter that fits on a command line, as its signature and docstring have it."""
    doc = inspect.getdoc(function) or ""
    for name, parameter in inspect.signature(function).parameters.items():
        annotation = re.sub(r"Literal\[.*?\]", "str", str(parameter.annotation).replace("_Seed", "int | None"))
        types = set(re.findall(r"\w+", annotation))
        fits = types == {"bool"} or ("bool" not in types and types & {"float", "int", "str"})
        if not fits or parameter.default is parameter.empty or (only and name not in only):
            continue
        entry = re.search(rf"^{name} : (.*)\n((?: +.*\n?)*)", doc, re.MULTILINE)
        header, text = entry.groups() if entry else ("", "")
        kind: Options = {"action": "store_true"}
        if types != {"bool"}:
            choices = re.match(r"\{.*?\}", header)
            metavar = re.sub('[" ]', "", choices[0]) if choices else name.rpartition("_")[2].upper()
            usual = preset.get(name, parameter.default)
            default = "none" if usual is None else re.sub("[' ()]", "", str(usual)) or "empty"
            default += "; none if another limit is given" if name in _LIMITS and usual is not None else ""
            text, kind = f"{text} (default: {default})", {"type": _value(types), "metavar": metavar}
        names = "|".join(inspect.signature(function).parameters)
        text = re.sub(rf"`({names})`", lambda other: _option(other[1]), text).replace("None", "none")
        text = " ".join(text.replace("%", "%%").replace("`", "").split())
        to.add_argument(*["-n"] * (name == "length"), _option(name), help=text, **kind)


def _own(about: str, least: int | None = None, **kind: Any) -> Options:
    """An option that is not a parameter of the API; a number, if there is a least one."""
    return {"help": about} | ({} if least is None else {"type": _value({"int"}, least), "metavar": "N"}) | kind


_OPTIONS: dict[str, Options] = {
    "TEXT": _own(
        "files, folders of documents, or - for stdin (default, but not of eval: the corpus tinyshakespeare); several "
        "texts are joined in their order, each begins a line",
        nargs="*",
        default=argparse.SUPPRESS,
    ),
    "--corpus": _own("a built-in text, instead of TEXT", choices=datasets.NAMES),
    "--format": _own(
        "what TEXT holds: running text, or documents such as posts, names and poems (default: by the name; a folder, "
        ".json, .jsonl, .ndjson, .csv and .tsv hold documents, also packed, as .csv.gz; all else is running text)",
        choices=("text", "json", "jsonl", "csv", "tsv", "lines", "paragraphs", "files"),
    ),
    "--delimiter": _own(
        r"the character between the columns of csv, \t for a tab (default: the one of comma, semicolon, tab and | that "
        "splits the first row)",
        type=_unescaped,
        metavar="CHARACTER",
    ),
    "--separator": _own(
        r"what stands between the documents of TEXT, instead of a format: '%%%%\n', '<|endoftext|>'; \n is any line "
        r"end, \t, \\ and the other escapes of JSON are read (default: none)",
        type=_unescaped,
        metavar="STRING",
    ),
    "--on-bad": _own("what to do with rows that give no document (default: raise)", choices=("raise", "skip")),
    "model": _own("file that train wrote", metavar="MODEL"),
    "--model": _own("the trained model of this file instead of a new one", metavar="FILE"),
    "--output": _own("file for the result (default: none for train, report.html for report)", metavar="FILE"),
    "--save": _own("file for the model (default: none)", metavar="FILE"),
    "--sample-every": _own("print a text every N updates", least=1),
    "--sample": _own("characters, or documents, to write in the end; 0 for none (default: 500, or 10)", least=0),
    "--quiet": _own("say nothing while training", dest="verbose", action="store_false"),
    "--progress": _own("say how far it is even in a pipe: a line every 30 s", dest="verbose", action="store_true"),
    "--greedy": _own("temperature 0", dest="temperature", action=_Once, nargs=0, const=0),
    "--prompt": _own(
        "text to go on from, for a model of documents the beginning of the document; it is not printed again; "
        r"\n, \t, \\, \u00e9 and the other escapes of JSON are read (default: empty)",
        type=_unescaped,
        metavar="TEXT",
    ),
    "--prompt-file": _own(
        "a UTF-8 file, or - for stdin, with the prompt: all of it, its last line end, too", metavar="FILE"
    ),
    "--n-samples": _own(
        "texts to write, each anew from the prompt (default: 1)", type=_value({"int", "None"}), metavar="N"
    ),
    "--random-state": _own(
        "a number gives the same text every time, none another one (default: none)",
        type=_value({"int", "None"}),
        metavar="STATE",
    ),
    "--stream": _own("print each character as it is drawn; --length none: running text for ever", action="store_true"),
    "--on-unknown": _own("for characters new to it (default: as trained)", choices=("raise", "skip", "replace")),
    "--preset": _own(
        "parameters that go well together; other options change single ones, and a limit takes the place of the "
        "preset's (default: quick for train, else classic, the network of the lab)",
        choices=tuple(PRESETS),
    ),
    "--compare": _own("train with these values of an option, too", type=_comparison, metavar="NAME=VALUE,VALUE"),
    "--updates": _own("updates in one measurement (default: 20000)", least=1),
    "--repeats": _own("measurements of each kind (default: 5, with --full 3)", least=1),
    "--full": _own("training steps of LSTM, GRU and tanh networks instead, about 3 minutes", action="store_true"),
}
_TEXT = (
    *("TEXT|--corpus", "--format", (read_documents, "field"), "--delimiter", "--separator", "--on-bad"),
    (read_documents, "pattern unescape encoding"),
)
_TRAINING = ("--preset", "--quiet|--progress", (CharRNN, ""))
_DRAWING = ("--greedy", "--n-samples", "--stream", "--random-state", "--on-unknown")
_CHECKS = "seq_lengths batches h eps tolerance max_entries"
_PAGE = "sample_every sample_length memorize numpy_seconds check_seconds"
_COMMANDS: dict[Callable[..., None], tuple[str, str, Sequence[str | tuple[Callable[..., Any], str]]]] = {
    _train: (
        "train a model on a text, a new one or one of a file; Ctrl-C ends it early and keeps it",
        "train book.txt -o book.safetensors --max-seconds 60\n"
        "train more.txt --model book.safetensors -o both --epochs 2",
        (*_TEXT, "--model", "--output", "--sample-every", "--sample", *_TRAINING),
    ),
    _sample: (
        "print what a trained model writes: a text, or documents one a line",
        'sample book.safetensors -n 500 --prompt "It was " --temperature 0.7',
        ("model", "--prompt|--prompt-file", (CharRNN.sample, "length temperature"), *_DRAWING),
    ),
    _eval: (
        "print how well a trained model predicts a text",
        "eval book.safetensors another.txt --on-unknown skip",
        ("model", *_TEXT, (CharRNN.evaluate, ""), "--on-unknown"),
    ),
    _check: (
        "print the errors of the gradients; exit code 1 if a norm error is above the tolerance",
        "check book.txt --seq-lengths 5,10 --hidden-size 50",
        (
            *_TEXT,
            "--model",
            (CharRNN.check_gradients, f"{_CHECKS} max_seconds"),
            (CharRNN, "cell hidden_size init_scale random_state"),
        ),
    ),
    _report: (
        "train a model and write a report about it, one HTML file",
        "report book.txt -o book.html --compare optimizer=adagrad,adam",
        (
            *_TEXT,
            "--output",
            "--save",
            "--compare",
            (report.write, _PAGE),
            (CharRNN.check_gradients, _CHECKS),
            *_TRAINING,
        ),
    ),
    _info: ("print what a model file holds", "info book.safetensors", ("model",)),
    _bench: (
        "measure the speed of this machine",
        "bench --updates 5000 --repeats 3",
        (*_TEXT, "--updates", "--repeats", "--full"),
    ),
}


def _parser() -> _Parser:
    about = "Character-level recurrent networks: learn from a text, and write more like it."
    example = "example:\n  pycharrnn train book.txt -o book.safetensors && pycharrnn sample book.safetensors"
    parser = _Parser(prog="pycharrnn", description=about, epilog=example)
    parser.add_argument("--version", action="version", version=f"pycharrnn {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for run, (about, example, takes) in _COMMANDS.items():
        description = textwrap.fill(f"{about[0].upper()}{about[1:]}.", 78)
        epilog = "\n  ".join(["example:", *(f"pycharrnn {line}" for line in example.split("\n"))])
        new = commands.add_parser(run.__name__[1:], help=about, description=description, epilog=epilog)
        new.set_defaults(run=run, **{"output": "report.html"} if run is _report else {})
        for item in takes:
            if isinstance(item, tuple):
                function, only = item
                of_model = function is CharRNN
                preset = PRESETS[_preset(run)] if of_model else {}
                _add(new.add_argument_group("model") if of_model else new, function, only.split(), preset)
            else:
                to = new.add_mutually_exclusive_group(required=run is _eval) if "|" in item else new
                for name in item.split("|"):
                    to.add_argument(*["-o"] * (name == "--output"), name, **_OPTIONS[name])
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command of these arguments, by default those of the process; return its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        if sys.stdout.isatty():  # which reads what it is sent as its locale says
            sys.stdout.reconfigure(errors="backslashreplace")
        else:
            sys.stdout.reconfigure(encoding="utf-8", errors="surrogatepass")
    code, message, source, usage = 0, "", "", True
    try:
        parser = _parser()
        options = vars(parser.parse_args(argv))
        if "run" not in options:
            raise _Stop(parser.format_help(), 2)
        with _interrupts, warnings.catch_warnings():
            warnings.showwarning = lambda warning, *_, **__: _log(f"pycharrnn: warning: {_with_options(warning)}")
            model = _model(options)
            _check_outputs(options)
            usage, reads = False, _TEXT[0] in _COMMANDS[options["run"]][2]
            text, source = _read(options) if reads else ("", _prompt(options))
            if reads and "model" in options and isinstance(text, list) != (model.vocabulary_.end is not None):
                kinds = ("running text, the model is of documents", "documents, the model is of running text")
                raise _Stop(f"{source}: this is {kinds[isinstance(text, list)]}; see --format", 1)
            options["run"](options, model, text, source)
        print(end="", flush=True)  # what stdout does not take must be known before the exit code is
    except SystemExit:  # --help or --version, which argparse has printed
        code = 0
    except _Stop as error:
        message, code = error.args
    except KeyboardInterrupt as error:
        code, by = getattr(error, "code", 130), getattr(error, "by", "")
        message = f"interrupted{by}" if by else ""
    except BrokenPipeError:
        code = 141
    except (ImportError, MemoryError, ModelFileError) as error:  # ImportError: something optional is missing
        message, code = str(error) or "out of memory", 1
    except OSError as error:
        where = "" if error.filename is None else f"{error.filename!r}: "
        message, code = where + (os.strerror(error.errno) if error.errno else str(error)), 1
    except TrainingDivergedError as error:
        message, code = f"{_with_options(error)}; no file was written", 1
    except ValueError as error:  # of the API: of an option if it begins with one, or else of the text
        message = _with_options(error) + ", or pass --encoding" * isinstance(error.__context__, UnicodeDecodeError)
        code = 2 if usage or message.startswith("--") else 1
        message = f"{source}: {message}" if source and code == 1 else message
    if message and not message.startswith("usage: "):
        message = _folded(escaped(f"pycharrnn: error: {message}")) + "\n"
    for stream, last in ((sys.stdout, ""), (sys.stderr, message)):
        try:
            write(last, stream)
        except OSError:  # Python would try once more when it exits, and complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code
