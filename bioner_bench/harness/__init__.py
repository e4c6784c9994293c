"""What meets lm-eval: the task class, this project's models, and system cards as runs of `lm_eval`.

Only this room imports lm-eval. It runs systems, and knows nothing of records and leaderboards.
"""
