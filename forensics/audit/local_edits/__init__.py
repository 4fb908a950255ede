"""A network that marks local edits, learnt from photographs that were edited here: the edits, the network, its training."""
