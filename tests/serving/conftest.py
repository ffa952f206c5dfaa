"""A server on a free port, in this process, and small models."""

import httpx
import pytest

from pycharrnn import CharRNN
from pycharrnn.serving.limits import Limits
from pycharrnn.serving.server import Server

# What must not act: escape sequences, markup, characters that turn a line around, NUL, and halves of characters.
HOSTILE = [
    "\x1b]0;title\x07\x1b[31mred",
    "<script>document.title = 'bad'</script>",
    "</textarea><img src=x onerror=alert(1)>",
    "\u202eabc\u2066",
    "a\0b",
    "\ud800 \udc00 \ud83d\ude00",
    "data: [DONE]\n\n\r\u2028",
    '"}]}\\',
]


@pytest.fixture(scope="session")
def hostile():
    """A model that has learned nothing but hostile documents."""
    return CharRNN(hidden_size=32, max_updates=600, epochs=None, random_state=0, verbose=False).fit(HOSTILE * 12)


@pytest.fixture(scope="session")
def server(model):
    """A server of the small model, whose texts may be long."""
    limits = Limits(max_streams=8, max_texts=6, max_length=10_000_000, max_prompt=3000)
    with Server(model, "small", limits=limits, origins=["http://friend.example"]).running() as found:
        yield found


@pytest.fixture
def client(server):
    """A client of it."""
    with httpx.Client(base_url=server.url, timeout=60) as found:
        yield found
