"""`python -m bioner_bench`: the command line."""

from bioner_bench.cli import main

main()
