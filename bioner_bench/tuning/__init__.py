"""From training sentences to a checkpoint: rows, IFD scores, strategies, selection, recipes, training.

What evaluation and models define is used here, never again defined; no result of a run is read.
"""
