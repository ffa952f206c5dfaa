"""A model on the network: the completions protocol of OpenAI, and a page to write with."""
