"""The options that are the command line's own: files, texts, and what the API says in another way."""

from __future__ import annotations

import argparse
from typing import get_args

from pycharrnn import CharRNN
from pycharrnn.arguments import Integer, Maybe, Real, Seed
from pycharrnn.cli.options import OF_MODEL, Option, names_of
from pycharrnn.parameters import Unknown
from pycharrnn.presets import PRESETS
from pycharrnn.sampling.kinds import unescape
from pycharrnn.tables import table
from pycharrnn.text import datasets
from pycharrnn.text.documents import read_documents

_DOCUMENTS = table(read_documents)
_COUNT = Integer(1, 2**62)


def unescaped(value: str) -> str:
    """Return the text, with the escapes of JSON read."""
    try:
        return unescape(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


# The text.
_TEXT = (
    "Files, folders of documents, or - for standard input. Several texts are joined in their order, each on a line of "
    "its own."
)
TEXT = Option("TEXT", meaning=_TEXT, nargs="*", default=argparse.SUPPRESS)
TEXTS = Option("TEXT", meaning=_TEXT, nargs="+")
TEXT_OR_CORPUS = Option(
    "TEXT", meaning=f"{_TEXT} (default: the corpus tinyshakespeare)", nargs="*", default=argparse.SUPPRESS
)
CORPUS = Option("--corpus", meaning="A built-in text, instead of TEXT.", choices=datasets.NAMES)
FORMAT = Option(
    "--format",
    meaning="What TEXT holds: running text (text), or documents such as posts, names and poems "
    f"({', '.join(names_of(_DOCUMENTS['format'].kind))}). By default the name tells: a "
    "folder, .json, .jsonl, .ndjson, .csv and .tsv hold documents, also packed, as .csv.gz; all else is running text.",
    choices=("text", *names_of(_DOCUMENTS["format"].kind)),
    metavar="FORMAT",  # the choices would make a line of more than 80 columns
)
DELIMITER = Option(
    "--delimiter",
    meaning=r"The character between the columns of csv; \t is a tab. (default: the one of comma, semicolon, tab and | "
    "that splits the first row)",
    type=unescaped,
    metavar="CHARACTER",
)
SEPARATOR = Option(
    "--separator",
    meaning=r"What stands between the documents of TEXT, instead of a format: '%%\n', '<|endoftext|>'. \n is any line "
    r"end; \t, \\ and the other escapes of JSON are read. (default: none)",
    type=unescaped,
    metavar="STRING",
)
ON_BAD = Option(
    "--on-bad",
    meaning="What to do with rows that give no document. (default: raise)",
    choices=names_of(_DOCUMENTS["on_bad"].kind),
)

# Models and results.
MODEL_FILE = Option("model", meaning="A file that train wrote.", metavar="MODEL")
MODEL = Option("--model", meaning="The trained model of this file, instead of a new one.", metavar="FILE")
OUTPUT = Option(
    *("-o", "--output"),
    meaning="The file for the result. (default: none for train, report.html for report, explorer.html for explore)",
    metavar="FILE",
)
ADAPTED = Option(*("-o", "--output"), meaning="The file for the adapted model.", metavar="FILE", required=True)
SAVE_DTYPE = Option(
    "--save-dtype",
    meaning="Round the weights of the file to bfloat16: half the size, for a model that only writes and is evaluated. "
    "(default: as they are)",
    choices=names_of(table(CharRNN.save)["dtype"].kind),
)
SAVE = Option("--save", meaning="The file for the model. (default: none)", metavar="FILE")
ON_UNKNOWN = Option(
    "--on-unknown",
    meaning="What to do with characters that are new to the model. (default: as it was trained)",
    dest=f"{OF_MODEL}on_unknown",
    choices=get_args(Unknown),
)

# Training.
PRESET = Option(
    "--preset",
    meaning="Parameters that go well together. Other options change single ones; a limit takes the place of all limits "
    "of the preset. (default: quick for train, else classic, the network of the lab)",
    dest=f"{OF_MODEL}preset",
    choices=tuple(PRESETS),
)
MINUTES = Option(
    "--minutes",
    meaning="Train for so many minutes the network that fits the text, the time and this machine: --preset auto with a "
    "time limit. Of a trained model it is the time limit alone.",
    kind=Real(),
    metavar="N",
)
CHECKPOINT = Option(
    "--checkpoint",
    meaning="Write checkpoints into this folder: from them the training can go on after any stop, to the bit.",
    metavar="DIR",
)
RESUME = Option(
    "--resume",
    meaning="Go on from the newest checkpoint in the folder of --checkpoint; begin anew if it has none.",
    action="store_true",
)
SAMPLE_EVERY = Option("--sample-every", meaning="Print a text every N updates.", kind=_COUNT, metavar="N")
SAMPLE = Option(
    "--sample",
    meaning="Characters, or documents, to write at the end; 0 for none. (default: 500, or 10)",
    kind=Integer(0, 2**48),
    metavar="N",
)
QUIET = Option("--quiet", meaning="Say nothing while training.", dest="verbose", action="store_false")
PROGRESS = Option(
    "--progress",
    meaning="Show progress in a pipe, too: a line every 30 s.",
    dest="verbose",
    action="store_true",
)

RAW = Option(
    "--raw",
    meaning="Print texts as they are on a terminal, too, where control characters act. Without it a terminal gets "
    "escapes for these, such as \\x1b. A file or a pipe always gets texts as they are.",
    action="store_true",
)

# Sampling.
PROMPT = Option(
    "--prompt",
    meaning="The text to go on from; for a model of documents, the beginning of the document. It is not printed "
    r"again. \n, \t, \\, \u00e9 and the other escapes of JSON are read. (default: empty)",
    type=unescaped,
    metavar="TEXT",
)
PROMPT_FILE = Option(
    "--prompt-file",
    meaning="A UTF-8 file, or - for standard input, with the prompt: all of it, the last line end included.",
    metavar="FILE",
)
GREEDY = Option("--greedy", meaning="The same as --temperature 0.", dest="temperature", nargs=0, const=0)
N_SAMPLES = Option(
    "--n-samples",
    meaning="Texts to write, each anew from the prompt. (default: 1)",
    kind=Maybe(_COUNT),
    checked=False,
    metavar="N",
)
RANDOM_STATE = Option(
    "--random-state",
    meaning="A number gives the same text every time, none another one each time. (default: none)",
    kind=Seed(),
    checked=False,
    metavar="STATE",
)
NO_NGRAMS = Option(
    "--no-ngrams", meaning="Use the network alone, without n-grams.", dest="ngrams", action="store_false"
)
STREAM = Option(
    "--stream",
    meaning="Print each character as soon as it is drawn. With --length none, running text never ends.",
    action="store_true",
)

NOVEL = Option(
    "--novel",
    meaning="Refuse copies: write no --span characters that stand in this text, or in the training text that a model "
    "of n-grams holds. (default: none)",
    metavar="FILE",
)

# Examining.
CORPUS_FILE = Option(
    "corpus", meaning="The training text, or a model that holds it: one that is mixed with n-grams.", metavar="CORPUS"
)
SPAN = Option("--span", meaning="Characters of the shortest copy that counts. (default: 20)", kind=_COUNT, metavar="N")
TOP = Option(
    "--top",
    meaning="Rows to print; none prints all. (default: 20, with --json none)",
    kind=Maybe(_COUNT),
    metavar="N",
)
LEAST = Option("--least", meaning="Print those that surprise least.", action="store_true")
JSON = Option("--json", meaning="Print JSON, an object a line, for other programs.", action="store_true")

# Measuring.
UPDATES = Option("--updates", meaning="Updates in one measurement. (default: 20000)", kind=_COUNT, metavar="N")
REPEATS = Option(
    "--repeats", meaning="Measurements of each kind. (default: 5, with --full 3)", kind=_COUNT, metavar="N"
)
FULL = Option(
    "--full",
    meaning="Measure training steps of LSTM, GRU and tanh networks instead, in about 3 minutes.",
    action="store_true",
)
