"""Biomedical named entity recognition with language models, scored on spans.

The modules follow one sentence through the benchmark:

    corpora -> prompt -> (a model) -> parsing -> alignment -> scoring -> table

`harness` hangs them into EleutherAI's lm-evaluation-harness; `cli` is the command line.
"""

__version__ = "0.1.0"
