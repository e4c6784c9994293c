"""Time and memory of `bioner-bench leaderboard build` from many made-up records.

python benchmarks/leaderboard.py --records 200 --sentences 5000
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "helpers"))


def main():
    from leaderboard_data import make_record

    from bioner_bench import corpora
    from bioner_bench.leaderboard import records

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=200)
    parser.add_argument("--sentences", type=int, default=5000)
    arguments = parser.parse_args()
    tasks = corpora.names()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for index in range(arguments.records):
            record = make_record(
                f"system-{index // len(tasks)}",
                tasks[index % len(tasks)],
                sentences=arguments.sentences,
                skill=0.3 + 0.6 * index / arguments.records,
            )
            records.write(record, folder / "records")
        size = sum(path.stat().st_size for path in folder.rglob("*.json"))
        command = [sys.executable, "-m", "bioner_bench", "leaderboard", "build"]
        command += ["--folder", str(folder), "--cards", str(ROOT / "baselines")]
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        page = (folder / "index.html").stat().st_size
    print(f"{arguments.records} records of {arguments.sentences} sentences, {size / 2**20:.0f} MiB")
    print(f"build: {seconds:.1f} s, {memory:.0f} MiB at most; index.html {page / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
