"""Ours and its peers in turn on the same work, and how far the floor is.

    python -m benchmarks evaluation --peft checkpoints/my-adapter
    python -m benchmarks evaluation --model MODEL_FOLDER --dtype bfloat16 --json
    python -m benchmarks fewshot --peft checkpoints/my-adapter
    python -m benchmarks startup

Of the seconds of several rounds the least count, and the CPU seconds of the same round are shown beside. On a
busy machine take one thread (`--threads 1`) and read the CPU seconds.
"""

import argparse
import json
import os


def main():
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=["evaluation", "fewshot", "startup"])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0: as many as it takes")
    parser.add_argument("--model", default="smollm2-135m", help="a folder, a hub id, or smollm2-135m")
    parser.add_argument("--peft", help="an adapter; an untuned SmolLM2 writes long answers")
    parser.add_argument(
        "--dtype",
        nargs="+",
        default=["float32", "bfloat16"],
        help="of ours, the first counts; the peer has float32",
    )
    parser.add_argument("--task", default="bioner_ncbi")
    parser.add_argument("--sentences", type=int, default=64)
    parser.add_argument("--room", type=int, default=160, help="tokens of an answer, at most")
    parser.add_argument("--peer-batch", type=int, nargs="+", default=[16, 32], help="batch sizes of hf")
    parser.add_argument(
        "--without",
        nargs="*",
        default=[],
        help="ours again without: share_prefix, refill, sort, merge_adapter",
    )
    given = parser.parse_args()
    if given.threads:
        os.environ["OMP_NUM_THREADS"] = str(given.threads)

    from benchmarks import answers, measuring, startup

    run = {"evaluation": answers.evaluation, "fewshot": answers.fewshot, "startup": startup.startup}
    report = run[given.name](given)
    print(json.dumps(report, indent=2) if given.json else measuring.shown(report))


main()
