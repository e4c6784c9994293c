"""lm-eval's account of the machine, made once: it asks nine programs for it after every run, `pip list` among
them, and they do not change their minds."""

from functools import cache

from torch.utils import collect_env

collect_env.get_pretty_env_info = cache(collect_env.get_pretty_env_info)
