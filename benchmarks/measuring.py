"""Sides that do the same work in turn -> seconds, ratios, and what they are to be read with."""

import os
import platform
import subprocess
import time
from importlib.metadata import version


def in_turns(sides, rounds):
    """Run each side once a round; seconds of its best round, and what it returned last."""
    best, results = {}, {}
    for _ in range(rounds):
        for name, side in sides.items():
            cpu, wall = _cpu(), time.perf_counter()
            results[name] = side()
            taken = {"wall_s": time.perf_counter() - wall, "cpu_s": _cpu() - cpu}
            if name not in best or taken["wall_s"] < best[name]["wall_s"]:
                best[name] = taken
    return best, results


def _cpu():
    """CPU seconds of this process and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def report(name, work, ours, best, floor=None, **facts):
    """The figures of one benchmark; `floor` is seconds and how they were reckoned."""
    peers = [side for side in best if side != ours and not side.startswith(ours)]
    peer = min(peers, key=lambda side: best[side]["wall_s"])
    made = {
        "name": name,
        "work": work,
        "sides": {
            side: taken
            | {
                f"times_{ours}_{kind}": taken[f"{kind}_s"] / best[ours][f"{kind}_s"]
                for kind in ("wall", "cpu")
            }
            for side, taken in best.items()
        },
        "ours": ours,
        "peer": peer,
        "ratio_wall": best[peer]["wall_s"] / best[ours]["wall_s"],
        "ratio_cpu": min(best[side]["cpu_s"] for side in peers) / best[ours]["cpu_s"],
    }
    if floor:
        made["floor"] = floor | {
            "ours_over_floor_wall": best[ours]["wall_s"] / floor["wall_s"],
            "ours_over_floor_cpu": best[ours]["cpu_s"] / floor["cpu_s"],
        }
    return made | facts | {"machine": machine()}


def machine():
    """What ran it, and how busy it was."""
    found = subprocess.run(["lscpu"], capture_output=True, text=True, check=False).stdout
    names = [line.split(":", 1)[1].strip() for line in found.splitlines() if line.startswith("Model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "not set"),
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "transformers", "lm_eval", "peft")},
    }


def shown(report):
    """The same for people."""
    lines = [f"{report['name']}: {report['work']}"]
    for side, taken in report["sides"].items():
        lines.append(f"  {side:<34}{taken['wall_s']:>9.2f} s{taken['cpu_s']:>9.2f} CPU s")
    lines.append(
        f"  {report['ours']} is {report['ratio_wall']:.2f} times as fast as its best peer, "
        f"{report['ratio_cpu']:.2f} by CPU seconds"
    )
    if floor := report.get("floor"):
        lines.append(
            f"  floor {floor['wall_s']:.2f} s, {floor['cpu_s']:.2f} CPU s ({floor['how']}); "
            f"ours takes {floor['ours_over_floor_wall']:.2f} times that, "
            f"{floor['ours_over_floor_cpu']:.2f} by "
            "CPU seconds"
        )
    known = {"name", "work", "sides", "ours", "peer", "ratio_wall", "ratio_cpu", "floor", "machine"}
    lines += [f"  {name}: {value}" for name, value in report.items() if name not in known]
    return "\n".join([*lines, f"  {report['machine']}"])
