"""Characters go out: drawing texts from a network."""
