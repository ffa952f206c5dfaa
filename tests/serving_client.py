"""What reads the events of a stream."""

import json


def events(parts):
    """Return the data of each event: objects, and the word that ends them."""
    text = "".join(parts)
    assert text.endswith("\n\n")
    found = [event.removeprefix("data: ") for event in text[:-2].split("\n\n")]
    return [one if one == "[DONE]" else json.loads(one) for one in found]
