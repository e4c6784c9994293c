"""What a sentence asks and what an answer is worth: prompt, parsing, alignment, scoring, bootstrap.

In go sentences and strings, out come counts, scores and intervals. Nothing here knows a model, lm-eval
or a file of a run but the lines of `predictions`.
"""
