"""`python -m bioner_bench`: the command line."""

from bioner_bench.cli.main import main

main()
