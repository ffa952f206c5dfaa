"""A job: all that a command needs, made ready."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from pycharrnn import CharRNN, Checkpoint
from pycharrnn.cli.failures import Stop, option
from pycharrnn.cli.inputs import Input
from pycharrnn.cli.options import LIMITS, Request
from pycharrnn.files.atomic import check_writable
from pycharrnn.interrupts import Interrupts
from pycharrnn.network.architecture import Architecture
from pycharrnn.parameters import check_parameters
from pycharrnn.tables import table
from pycharrnn.training.checkpoints import checkpoints_in

# What training on cannot change: the network, where its weights began, the text that is held back, and the n-grams.
_OTHERS = {"preset", "initializer", "init_scale", "validation_fraction", "ngram_order"}
FIXED = frozenset({*_OTHERS, *Architecture.__dataclass_fields__})


@dataclass
class Job:
    """What a command works on, and with which options.

    Attributes
    ----------
    request : Request
        What the command line gives.
    model : CharRNN
        The trained model of a file, or a new one, with the parameters that the options give.
    input : Input
        The text, or the prompt.
    interrupts : Interrupts
        Turn signals into exceptions.
    """

    request: Request
    model: CharRNN
    input: Input
    interrupts: Interrupts


def make_model(request: Request, preset: str, fixed: frozenset[str] = FIXED) -> CharRNN:
    """Load the model that the options name, or make a new one of a preset.

    Parameters
    ----------
    request : Request
        What the command line gives.
    preset : str
        The preset of a new model if the options name none.
    fixed : frozenset of str
        What a trained model cannot change.
    """
    if request.get("model") == "-":
        raise Stop("a model cannot be read from standard input (./- is a file of that name)", 2)
    if useless := request.model.keys() & fixed if "model" in request else ():
        names = ", ".join(map(option, sorted(useless)))
        raise Stop(f"{names}: only for a new model, but --model names a trained one", 2)
    params = dict(request.model)
    if "minutes" in request:
        if "max_seconds" in params:
            raise Stop("--minutes and --max-seconds are both time limits; leave out one", 2)
        params["max_seconds"] = 60 * request["minutes"]
        preset = "auto"
    name: Any = params.pop("preset", "auto" if params.get("auto") else preset)
    if any(params.get(name) is not None for name in LIMITS):  # instead of those of the preset or the file
        params = dict.fromkeys(LIMITS) | params
    if "model" in request:
        model = CharRNN.load(request["model"]).set_params(**params)
    else:
        model = CharRNN.preset(name, **params)
    check_parameters(model)  # fit does it too, but it must wait for the text
    return model


def check_kind(job: Job) -> None:
    """Raise if the text is documents and the trained model is of running text, or the other way round."""
    if "model" in job.request and job.input.documents != (job.model.vocabulary_.end is not None):
        kinds = ("running text, the model is of documents", "documents, the model is of running text")
        raise Stop(f"{job.input.name}: this is {kinds[job.input.documents]}; see --format", 1)


def check_outputs(request: Request) -> None:
    """Find out before the training, not after it, that a file cannot be written."""
    if "save_dtype" in request and "output" not in request:
        raise Stop("--save-dtype is of the file that --output names; add --output FILE", 2)
    check_checkpoints(request)
    taken = {os.path.realpath(path): "the text" for path in request.get("TEXT", ()) if path != "-"}
    for name in ("output", "save"):
        if name not in request:
            continue
        path = request[name]
        target = os.path.realpath(path)  # where a symbolic link leads
        if path == "-":
            raise Stop(f"{option(name)} '-' cannot be standard output (./- is a file of that name)", 2)
        if target in taken:
            raise Stop(f"{option(name)} {path!r} is {taken[target]} itself", 2)
        try:
            check_writable(path)
        except OSError as error:
            raise Stop(f"{option(name)} {path!r} {error.strerror}", 1) from None
        taken[target] = option(name)


def check_checkpoints(request: Request) -> None:
    """Find out before the training whether its checkpoints have a folder, and no other training's are in it."""
    folder = request.get("checkpoint")
    if folder is None:
        if useless := request.keys() & {"resume", *table(Checkpoint)}:
            names = ", ".join(map(option, sorted(useless)))
            raise Stop(f"{names}: of checkpoints, and no --checkpoint names their folder", 2)
        return
    try:
        found = checkpoints_in(folder)
    except OSError as error:
        raise Stop(f"--checkpoint {folder!r}: {error.strerror}", 1) from None
    if found and "resume" not in request:
        raise Stop(f"--checkpoint {folder!r} has checkpoints already: add --resume to go on, or name another folder", 1)
