"""The command line: the API's words as options, the text on stdout, everything else on stderr.

Exit codes: 0 done; 1 it failed (a file, a text, a model, a training that diverged); 2 wrong usage; 130 interrupted;
141 nobody reads stdout any more. Text is written as UTF-8 whatever the locale; a lone surrogate, which a model knows
only if it was trained on one from Python, as the three bytes of its code point.

A command is one function, which gets the parsed options, and one block in `_parser`.
"""

from __future__ import annotations

import argparse
import inspect
import io
import os
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from pycharrnn import CharRNN, SampleText, __version__, datasets
from pycharrnn.storage import ModelFileError
from pycharrnn.text import UnknownCharacterError
from pycharrnn.training import Run, TrainingDivergedError


class _Stop(Exception):
    """End with a message for the user and an exit code."""


def _train(args: argparse.Namespace) -> None:
    params = _given(args, CharRNN)
    if args.max_updates is not None or args.max_seconds is not None:
        params.setdefault("epochs", None)
    model = CharRNN(**params)
    try:
        model._validate()  # fit does it too, but it must wait for the text
    except (TypeError, ValueError) as error:
        raise _Stop(_with_options(error, CharRNN), 2) from None
    if args.output is not None:
        _check_output(args.output, args.text)
    text, source = _read(args.text, args.corpus)
    seen: list[Run] = []  # the one run, as often as it called back
    watch = [] if args.sample_every is None else [SampleText(args.sample_every)]
    stopped: BaseException | None = None
    try:
        model.fit(text, callbacks=[seen.append, *watch])
    except TrainingDivergedError as error:
        raise _Stop(f"{_with_options(error, CharRNN)}; no file was written", 1) from None
    except ValueError as error:  # the parameters are good, so it is the text
        raise _Stop(f"{source}: {error}", 1) from None
    except (KeyboardInterrupt, OSError) as error:  # OSError: stdout does not take the texts of --sample-every
        if not seen:
            raise
        stopped = error
    if args.output is not None:
        model.save(args.output)
    run, best, end = seen[0], model.best_, "interrupted" if stopped else "done"
    file = "no file written (no --output)" if args.output is None else f"wrote {args.output!r}"
    print(
        f"{end}: {run.n_updates:,} updates on {source}, {run.characters / run.seconds:,.0f} characters/s, smooth loss "
        f"{run.smooth_loss:.4g}, best {best.smooth_loss:.4g} after update {best.n_updates:,}; {file}",
        file=sys.stderr,
    )
    if stopped is not None:
        raise stopped
    if args.sample:
        print(model.sample(args.sample))


def _sample(args: argparse.Namespace) -> None:
    model = CharRNN.load(args.model)
    try:
        given = _given(args, CharRNN.sample)
        for piece in model.stream(**given) if args.stream else [model.sample(**given)]:
            print(piece, end="", flush=args.stream)
    except UnknownCharacterError as error:
        raise _Stop(f"--prompt: {error}", 1) from None
    except (TypeError, ValueError) as error:
        raise _Stop(_with_options(error, CharRNN.sample), 2) from None
    print()


def _bench(args: argparse.Namespace) -> None:
    from pycharrnn import benchmark  # nobody else needs it

    text, _ = _read(args.text, None)
    benchmark.run(updates=args.updates, repeats=args.repeats, text=text, file=sys.stdout)


def _read(path: str | None, corpus: str | None) -> tuple[str, str]:
    """The text of a file, of stdin ("-") or of a corpus, and what to call it."""
    if path is None:
        name = corpus or "topics"
        return datasets.load(name), f"corpus {name}"
    source = "standard input" if path == "-" else repr(path)
    if path == "-" and sys.stdin is None:
        raise _Stop("standard input is closed", 1)
    data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    try:
        return data.decode("utf-8").removeprefix("\ufeff"), source
    except UnicodeDecodeError as error:
        where = f"byte 0x{data[error.start]:02X} at offset {error.start} ({error.reason})"
        raise _Stop(f"{source} is not valid UTF-8: {where}", 1) from None


def _check_output(path: str, text: str | None) -> None:
    """Find out before the training, not after it, that a model cannot be written there."""
    target = os.path.realpath(path)  # where a symbolic link leads
    if os.path.exists(target):
        if text is not None and os.path.exists(text) and os.path.samefile(target, text):
            raise _Stop(f"--output {path!r} is the text itself", 2)
        if not os.path.isfile(target):
            raise _Stop(f"--output {path!r} is a directory or a device", 1)
    try:
        tempfile.TemporaryFile(dir=os.path.dirname(target)).close()
    except OSError as error:
        raise _Stop(f"--output {path!r} cannot be written: {error.strerror}", 1) from None


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        raw = argparse.RawDescriptionHelpFormatter
        super().__init__(allow_abbrev=False, formatter_class=raw, **options)

    def error(self, message: str) -> NoReturn:
        raise _Stop(f"{message} (see {self.prog} --help)", 2)


def _value(types: set[str], least: int | None = None) -> Callable[[str], Any]:
    """What reads an option of one of these types. CharRNN checks the range of what is its own."""
    kind: Any = next(kind for kind in (float, int, str) if kind.__name__ in types)

    def read(value: str) -> Any:
        if "None" in types and value.lower() == "none":
            return None
        if least is not None and kind(value) < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, got {value}")
        return kind(value)

    read.__name__ = kind.__name__  # for argparse's "invalid int value"
    return read


def _add_parameters(to: Any, function: Callable[..., Any], doc: str | None, **short: str) -> None:
    """Add an option for each parameter that fits on a command line, as its signature and docstring have it."""
    doc = inspect.cleandoc(doc or "")
    for name, parameter in inspect.signature(function).parameters.items():
        types = set(re.findall(r"\w+", str(parameter.annotation).replace("_Seed", "int | None")))
        if "bool" in types or not {"float", "int", "str"} & types:
            continue
        entry = re.search(rf"^{name} : (.*)\n((?: +.*\n?)*)", doc, re.MULTILINE)
        header, text = entry.groups() if entry else ("", "")
        choices = re.match(r"\{.*?\}", header)
        default = "none" if parameter.default is None else repr(parameter.default).strip("'")
        if name == "epochs":
            default += "; none if --max-updates or --max-seconds is given"
        to.add_argument(
            *([short[name]] if name in short else []),
            "--" + name.replace("_", "-"),
            type=_value(types),
            metavar=re.sub('[" ]', "", choices[0]) if choices else name.rpartition("_")[2].upper(),
            default=argparse.SUPPRESS if name == "epochs" else parameter.default,
            help=" ".join(f"{text} (default: {default or 'empty'})".replace("%", "%%").split()),
        )


def _given(args: argparse.Namespace, function: Callable[..., Any]) -> dict[str, Any]:
    """The function's arguments, of which the options may be some."""
    return {name: getattr(args, name) for name in inspect.signature(function).parameters if name in args}


def _with_options(error: Exception, function: Callable[..., Any]) -> str:
    """The error's message, with options for the function's parameters, unless they stand in quotes."""
    names = "|".join(inspect.signature(function).parameters)
    return re.sub(rf"(?<!['\w])({names})\b", lambda match: "--" + match[0].replace("_", "-"), str(error))


def _parser() -> _Parser:
    parser = _Parser(
        prog="pycharrnn",
        description="Character-level recurrent networks: learn from a text, and write more like it.",
        epilog="example:\n  pycharrnn train book.txt -o book.safetensors && pycharrnn sample book.safetensors",
    )
    parser.add_argument("--version", action="version", version=f"pycharrnn {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    def command(run: Callable[[argparse.Namespace], None], about: str, example: str) -> _Parser:
        name, epilog = run.__name__[1:], f"example:\n  pycharrnn {example}"
        new = commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.", epilog=epilog)
        new.set_defaults(run=run)
        return new

    def count(to: Any, option: str, least: int, default: int | None, about: str) -> None:
        about += "" if default is None else f" (default: {default})"
        to.add_argument(option, type=_value({"int"}, least), metavar="N", default=default, help=about)

    a_text = "UTF-8 file, or - for stdin (default: the corpus topics, which comes with Python)"
    example = "train book.txt -o book.safetensors --max-seconds 60 --sample-every 50000"
    train = command(_train, "train a model on a text; Ctrl-C ends it early and keeps the model", example)
    source = train.add_mutually_exclusive_group()
    source.add_argument("text", metavar="TEXT", nargs="?", help=a_text)
    source.add_argument("--corpus", choices=datasets.names(), help="a built-in text, instead of TEXT")
    train.add_argument("-o", "--output", metavar="MODEL", help="file for the model; without it none is written")
    _add_parameters(train.add_argument_group("model and training"), CharRNN.__init__, CharRNN.__doc__)
    watch = train.add_argument_group("watching")
    count(watch, "--sample-every", 1, None, "print a text every N updates")
    count(watch, "--sample", 0, 200, "characters that the best model writes in the end; 0 for none")
    bar = watch.add_mutually_exclusive_group()
    bar.add_argument("--quiet", dest="verbose", action="store_false", default=None, help="no progress bar")
    bar.add_argument("--progress", dest="verbose", action="store_true", help="a progress bar even in a pipe")

    example = 'sample book.safetensors --length 500 --prompt "It was " --temperature 0.7'
    sample = command(_sample, "print a text that a trained model writes, and a newline", example)
    sample.add_argument("model", metavar="MODEL", help="file that train wrote")
    _add_parameters(sample, CharRNN.sample, CharRNN.sample.__doc__, length="-n")
    sample.add_argument("--greedy", dest="temperature", action="store_const", const=0, help="temperature 0")
    sample.add_argument("--stream", action="store_true", help="print each character as soon as it is drawn")

    bench = command(_bench, "measure the speed of this machine", "bench --updates 5000 --repeats 3")
    bench.add_argument("text", metavar="TEXT", nargs="?", help=a_text)
    count(bench, "--updates", 1, 20_000, "updates in one measurement")
    count(bench, "--repeats", 1, 5, "measurements of each kind")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command of these arguments, by default those of the process; return its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogatepass")
    code, message = 0, ""
    try:
        parser = _parser()
        args = parser.parse_args(argv)
        if "run" in args:
            args.run(args)
        else:
            code, message = 2, parser.format_help()
        print(end="", flush=True)  # what stdout does not take must be known before the exit code is
    except SystemExit:  # --help or --version, which argparse has printed
        code = 0
    except _Stop as error:
        code, message = error.args[1], f"pycharrnn: error: {error.args[0]}\n"
    except (KeyboardInterrupt, BrokenPipeError) as error:
        code = 130 if isinstance(error, KeyboardInterrupt) else 141
    except (ImportError, MemoryError, ModelFileError) as error:  # ImportError: something optional is missing
        code, message = 1, f"pycharrnn: error: {str(error) or 'out of memory'}\n"
    except OSError as error:
        where = "" if error.filename is None else f"{error.filename!r}: "
        code, message = 1, f"pycharrnn: error: {where}{os.strerror(error.errno) if error.errno else error}\n"
    for stream, last in ((sys.stdout, ""), (sys.stderr, message)):
        try:
            print(last, end="", file=stream, flush=True)
        except OSError:  # Python would try once more when it exits, and complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code
