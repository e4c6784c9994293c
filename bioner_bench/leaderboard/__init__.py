"""From lm-eval's output to records, and from records to tables, figures, the page and verdicts.

No model runs here: everything is made from files.
"""
