"""Ours and its peers in turn on the same work, and how far the floor is.

    python -m benchmarks evaluation --peft checkpoints/my-adapter      hf-prefix beside hf
    python -m benchmarks fewshot --peft checkpoints/my-adapter         five demonstrations, fixed and random
    python -m benchmarks ifd                                           batches beside a row at a time
    python -m benchmarks training                                      beside TRL's SFTTrainer
    python -m benchmarks encoder --encoder checkpoints/my-encoder      beside transformers' pipeline
    python -m benchmarks scoring                                       all scores beside seqeval's strict F1
    python -m benchmarks startup                                       --help beside lm_eval's
    python -m benchmarks all --peft checkpoints/my-adapter --json

Of the seconds of several rounds the least count, and the CPU seconds of the same round are shown beside. On a
busy machine take one thread (`--threads 1`) and read the CPU seconds.
"""

import argparse
import importlib.util
import json
import os

PEERS = {"training": "trl", "scoring": "seqeval"}
"""What is held against ours and comes by no extra of the package, or by that of the tests alone."""

NAMES = ("evaluation", "fewshot", "ifd", "training", "encoder", "scoring", "startup")


def main():
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=[*NAMES, "all"])
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
    parser.add_argument("--encoder", help="a token classifier; by default MiniLM with an untrained head")
    parser.add_argument("--steps", type=int, default=6, help="of training")
    parser.add_argument("--scored-sentences", type=int, default=100_000)
    parser.add_argument(
        "--without",
        nargs="*",
        default=[],
        help="ours again without: share_prefix, refill, sort, merge_adapter",
    )
    given = parser.parse_args()
    if given.threads:
        os.environ["OMP_NUM_THREADS"] = str(given.threads)

    names = NAMES if given.name == "all" else [given.name]
    for name, peer in PEERS.items():  # before minutes are spent on others
        if name in names and importlib.util.find_spec(peer) is None:
            parser.exit(2, f"error: {name} needs {peer}; run: pip install {peer}\n")
    reports = [_run(name, given) for name in names]
    if given.json:
        print(json.dumps(reports if given.name == "all" else reports[0], indent=2))
        return
    from benchmarks import measuring

    print("\n\n".join(map(measuring.shown, reports)))


def _run(name, given):
    """The report of a benchmark; its modules are loaded when it is its turn."""
    if name in ("evaluation", "fewshot"):
        from benchmarks import answers

        return getattr(answers, name)(given)
    if name == "ifd":
        from benchmarks.scoring_rows import ifd_scores as run
    elif name == "training":
        from benchmarks.against_trl import training as run
    elif name == "encoder":
        from benchmarks.tagging import tagging as run
    elif name == "scoring":
        from benchmarks.scoring import scoring as run
    else:
        from benchmarks.startup import startup as run
    return run(given)


main()
