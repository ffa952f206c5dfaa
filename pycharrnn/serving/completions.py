"""A request for completions: what it may say, and what that means for the texts that are written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

from pycharrnn.arguments import Flag, Integer, Kind, Maybe, close
from pycharrnn.messages import shown
from pycharrnn.sampling.settings import Sampling
from pycharrnn.serving.desk import Wish
from pycharrnn.serving.limits import Limits
from pycharrnn.serving.refusals import Refused, refusal
from pycharrnn.tables import table
from pycharrnn.text.vocabulary import Vocabulary

NAMES = {"length": "max_tokens"}  # what the protocol calls a setting
_STOPS = 1000  # characters of all stops: each part of a text is compared with each of them
_WINDOW = 16_384  # symbols that each text remembers
_LIKELY = 20  # characters that a score names at most
_SETTINGS = table(Sampling).keys() - {"length", "beam", "constraint", "novel"}  # objects, or no stream
_OWN: dict[str, Kind] = {
    "stream": Flag(),
    "echo": Flag(),
    "ngrams": Flag(),
    "logprobs": Maybe(Integer(0, _LIKELY)),
    "seed": Maybe(Integer(0, 2**63 - 1)),
}
_IGNORED = {"model", "user", "metadata"}
_OTHERS = {"prompt", "n", "max_tokens", "logit_bias", "on_unknown", "stream_options"}
# What the protocol has and a network of characters does not: only values that change nothing.
_NEUTRAL: dict[str, tuple[tuple[Any, ...], str]] = {
    "presence_penalty": ((0,), "use repetition_penalty"),
    "frequency_penalty": ((0,), "use repetition_penalty"),
    "suffix": (("",), "nothing that comes after a text is known"),
    "best_of": ((1,), "use n"),
}
_KNOWN = {*_OWN, *_SETTINGS, *_IGNORED, *_OTHERS, *_NEUTRAL}


class Completions(NamedTuple):
    """What a request asks for.

    Attributes
    ----------
    prompts : list of str
        What each text goes on from, `n` times each prompt.
    wish : Wish
        The texts.
    n_read : int
        Characters of the prompts that are read, each prompt once.
    counts : bool
        Whether a stream ends with what it counted.
    """

    prompts: list[str]
    wish: Wish
    n_read: int
    counts: bool


def read(body: bytes) -> dict[str, Any]:
    """Return the object that a body of JSON has.

    Raises
    ------
    Refused
        If it is no JSON, or no object.

    Examples
    --------
    >>> read(b'{"prompt": "hello"}')
    {'prompt': 'hello'}
    """

    def constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is no number of JSON")

    try:
        found = json.loads(body.decode("utf-8"), parse_constant=constant)
    except UnicodeDecodeError as error:
        raise Refused(400, f"the body must be UTF-8, but byte {error.start} is none") from None
    except RecursionError:
        raise Refused(400, "the body is nested too deep") from None
    except ValueError as error:
        raise Refused(400, f"the body must be JSON: {error}") from None
    if not isinstance(found, dict):
        raise Refused(400, f"the body must be an object of JSON, got {shown(found)}")
    return found


def understand(given: Mapping[str, Any], vocabulary: Vocabulary, unknown: Any, limits: Limits) -> Completions:
    """Return what a request asks for.

    Parameters
    ----------
    given : mapping of str to object
        The request.
    vocabulary : Vocabulary
        The characters of the model.
    unknown : {"raise", "skip", "replace"}
        What the model does with others.
    limits : Limits
        What the server takes on.

    Raises
    ------
    Refused
        If the request asks for something that there is not.
    """
    request = {name: value for name, value in given.items() if value is not None}
    for name in request.keys() - _KNOWN:
        raise Refused(400, f"there is no parameter {shown(name)}{close(name, _KNOWN)}", name[:99], "unknown_parameter")
    own = {name: _checked(kind, name, request.get(name)) for name, kind in _OWN.items()}
    most = min(limits.max_texts, limits.max_streams)
    n = _checked(Integer(1, most), "n", request.get("n", 1))
    for name, (values, instead) in _NEUTRAL.items():
        value = request.get(name, values[0])
        if isinstance(value, bool) or value not in (*values, *[n] * (name == "best_of")):
            raise Refused(400, f"{name} must be {values[0]!r}, got {shown(value)}: {instead}", name)
    prompts = _prompts(request.get("prompt", ""))
    if len(prompts) * n > most:
        asked = f"{len(prompts):,} prompts x n {n:,}"
        raise Refused(400, f"a request may ask for {most:,} texts, not for {asked}", "n")
    if sum(map(len, prompts)) > limits.max_prompt:
        asked = f"{sum(map(len, prompts)):,}"
        raise Refused(
            400, f"prompt may have {limits.max_prompt:,} characters, not {asked}; send the end of it", "prompt"
        )
    sampling = _sampling(request, limits)
    unknown = request.get("on_unknown", unknown)
    ids = _translated(lambda: [vocabulary.encode(prompt, unknown) for prompt in prompts])
    wish = Wish(
        [one for one in ids for _ in range(n)],
        sampling,
        seed=own["seed"],
        ngrams=own["ngrams"] is not False,
        n_likely=own["logprobs"],
        echo=bool(own["echo"]),
        eager=bool(own["stream"]),
        longest=limits.max_length,
    )
    options = request.get("stream_options", {})
    if not isinstance(options, dict):
        raise Refused(400, f"stream_options must be an object, got {shown(options)}", "stream_options")
    return Completions(
        [prompt for prompt in prompts for _ in range(n)],
        wish,
        sum(one.size for one in ids),
        options.get("include_usage") is True,
    )


def _translated(make: Callable[[], Any]) -> Any:
    """Call a function of the library, whose errors name what the request calls otherwise."""
    try:
        return make()
    except (ValueError, TypeError, ImportError) as error:
        raise refusal(error, NAMES) from None


def _checked(kind: Kind, name: str, value: Any) -> Any:
    """Return a value that is of its kind; None is none."""
    if value is not None:
        _translated(lambda: kind.check(name, value))
    return value


def _prompts(value: Any) -> list[str]:
    """Return the prompts: a str, a list of them, or as many lists of tokens, which are code points."""
    if isinstance(value, list) and value and all(type(one) is int for one in value):
        value = [value]
    prompts = value if isinstance(value, list) else [value]
    if not prompts:
        raise Refused(400, "prompt must have at least one text, got []", "prompt")
    return [prompt if isinstance(prompt, str) else _characters(prompt) for prompt in prompts]


def _characters(tokens: Any) -> str:
    """Return the text of tokens: a token is a code point."""
    if not isinstance(tokens, list) or not all(type(one) is int and 0 <= one < 0x110000 for one in tokens):
        what = "must be a str, a list of them, or lists of code points"
        raise Refused(400, f"prompt {what}, got {shown(tokens)}", "prompt")
    return "".join(map(chr, tokens))


def _sampling(request: Mapping[str, Any], limits: Limits) -> Sampling:
    """Return the settings of a request."""
    settings = {name: value for name, value in request.items() if name in _SETTINGS}
    length = request.get("max_tokens")
    if "pattern" in settings and not limits.patterns:
        raise Refused(403, "this server takes no pattern; start it with --patterns if you trust its clients", "pattern")
    if "logit_bias" in request:
        if "bias" in settings:
            raise Refused(400, "logit_bias and bias say the same; leave out one", "logit_bias")
        settings["bias"] = _bias(request["logit_bias"])
        names = NAMES | {"bias": "logit_bias"}
    else:
        names = NAMES
    if settings.get("stop") == []:
        del settings["stop"]
    try:
        sampling = Sampling(length=length, **settings)
    except (ValueError, TypeError) as error:
        raise refusal(error, names) from None
    if sum(map(len, sampling.stops)) > _STOPS:
        raise Refused(400, f"stop may have {_STOPS:,} characters, all together", "stop")
    if length is not None and length > limits.max_length:
        raise Refused(400, f"max_tokens must be at most {limits.max_length:,}, got {shown(length)}", "max_tokens")
    if sampling.repetition_window > _WINDOW:
        got = f"must be at most {_WINDOW:,}, got {sampling.repetition_window:,}"
        raise Refused(400, f"repetition_window {got}", "repetition_window")
    return sampling


def _bias(given: Any) -> dict[str, Any]:
    """Return the bias of a logit_bias: its keys are tokens, which are code points."""
    if not isinstance(given, dict):
        raise Refused(400, f"logit_bias must be an object, got {shown(given)}", "logit_bias")
    found = {}
    for key, value in given.items():
        if not (key.isascii() and key.isdecimal() and len(key) < 8 and int(key) < 0x110000):
            what = "must have code points as keys, such as 101 for 'e'"
            raise Refused(400, f"logit_bias {what}, got {shown(key)}; bias takes characters", "logit_bias")
        found[chr(int(key))] = value
    return found
