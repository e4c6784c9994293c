"""The report of `bioner-bench check`: text of 80 columns, Markdown for a job summary, and JUnit XML."""

from __future__ import annotations

import textwrap
from xml.etree import ElementTree

from bioner_bench.leaderboard.markdown import escape
from bioner_bench.leaderboard.regression import Outcome, Report, Verdict

WIDTH = 80

_COLUMNS = ("task", "old", "new", "change", "95 % interval", "p", "verdict")


def headline(report: Report) -> str:
    """The verdict in one line."""
    size = len(report.verdicts)
    comparisons = f"{size} comparison{'s' if size != 1 else ''}"
    found = [verdict for verdict in report.verdicts if verdict.outcome is report.outcome]
    if report.outcome is Outcome.PASS:
        in_part = sum(verdict.sentences < verdict.corpus_sentences for verdict in report.verdicts)
        partly = f", {in_part} on a part of its sentences" if in_part else ""
        return f"PASS: {report.score} is not worse ({comparisons}{partly})"
    named = ", ".join(_name(report, verdict) for verdict in found[:2])
    if len(found) > 2:
        named += f" and {len(found) - 2} more"
    if report.outcome is Outcome.REGRESSION:
        return f"REGRESSION: {report.score} is worse in {len(found)} of {comparisons}: {named}"
    return f"INCOMPARABLE: {len(found)} of {comparisons} cannot be made: {named}"


def as_text(report: Report) -> str:
    """For a terminal: a table, what is to be said of each row, and the verdict as the last line."""
    rows = [_COLUMNS, *(_cells(verdict) for verdict in report.verdicts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = [f"{report.score} in %; p after Holm's correction", ""]
    for row in rows:
        cells = [
            cell.ljust(width) if column in (0, len(row) - 1) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(" ".join(cells).rstrip())
    lines.append("")
    for verdict in report.verdicts:
        lines += _wrapped(f"{_name(report, verdict)}: {_details(verdict)}")
    for note in _missing(report):
        lines += _wrapped(note)
    return "\n".join([*lines, "", headline(report), ""])


def as_markdown(report: Report) -> str:
    """For the summary of a job, such as `$GITHUB_STEP_SUMMARY`."""
    lines = [f"**{escape(headline(report))}**", ""]
    columns = (*_COLUMNS, "why")
    lines.append(f"| {' | '.join(columns)} |")
    lines.append("|---|---:|---:|---:|---:|---:|---|---|")
    for verdict in report.verdicts:
        cells = (_name(report, verdict), *_cells(verdict)[1:], _details(verdict))
        lines.append(f"| {' | '.join(map(escape, cells))} |")
    lines += ["", f"{escape(report.score)} in %; p after Holm's correction."]
    for note in _missing(report):
        lines += ["", escape(note)]
    return "\n".join([*lines, ""])


def as_junit(report: Report) -> str:
    """A test suite with a case for each verdict; what only the old side has is a skipped case."""
    counts = {outcome: sum(v.outcome is outcome for v in report.verdicts) for outcome in Outcome}
    suite = ElementTree.Element(
        "testsuite",
        name="bioner-bench check",
        tests=str(len(report.verdicts) + len(report.only_old)),
        failures=str(counts[Outcome.REGRESSION]),
        errors=str(counts[Outcome.INCOMPARABLE]),
        skipped=str(len(report.only_old)),
    )
    for verdict in report.verdicts:
        name = f"{verdict.task} {verdict.setup}".strip()
        case = ElementTree.SubElement(suite, "testcase", classname=verdict.system, name=name)
        if verdict.outcome is not Outcome.PASS:
            kind = "failure" if verdict.outcome is Outcome.REGRESSION else "error"
            ElementTree.SubElement(case, kind, message=verdict.reason)
        ElementTree.SubElement(case, "system-out").text = " ".join([*_cells(verdict), _details(verdict)])
    for label in report.only_old:
        system, _, name = label.partition(" ")
        case = ElementTree.SubElement(suite, "testcase", classname=system, name=name)
        ElementTree.SubElement(case, "skipped", message="not among the new records")
    ElementTree.indent(suite)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(suite, encoding="unicode")}\n'


def _name(report: Report, verdict: Verdict) -> str:
    """The task, and what else is needed to tell this verdict from the others."""
    alike = [other for other in report.verdicts if other.task == verdict.task]
    system = f"{verdict.system} " if len({other.system for other in report.verdicts}) > 1 else ""
    setup = f" {verdict.setup}" if len({other.setup for other in alike}) > 1 else ""
    return f"{system}{verdict.task}{setup}".strip()


def _cells(verdict: Verdict) -> tuple[str, ...]:
    test = verdict.comparison
    outcome = verdict.outcome.name.lower()
    if test is None or verdict.old is None or verdict.new is None or verdict.p_value is None:
        return (verdict.task, "-", "-", "-", "-", "-", outcome)
    return (
        verdict.task,
        f"{100 * verdict.old:.2f}",
        f"{100 * verdict.new:.2f}",
        f"{100 * test.difference:+.2f}",
        f"{100 * test.low:+.2f} to {100 * test.high:+.2f}",
        "<.0001" if verdict.p_value < 0.0001 else f"{verdict.p_value:.4f}",
        outcome,
    )


def _details(verdict: Verdict) -> str:
    said = [verdict.reason, verdict.setup]
    if verdict.runs != (1, 1):
        said.append(f"mean of {verdict.runs[0]} new and {verdict.runs[1]} old training seeds")
    if verdict.comparison:
        whole = verdict.sentences == verdict.corpus_sentences
        said.append(f"{verdict.sentences:,} {'' if whole else f'of {verdict.corpus_sentences:,} '}sentences")
        if verdict.documents is not None:
            said.append(f"{verdict.documents:,} document{'s' * (verdict.documents != 1)}")
    return "; ".join(filter(None, said))


def _missing(report: Report) -> list[str]:
    notes = []
    for side, labels in (("old", report.only_old), ("new", report.only_new)):
        if labels:
            told = [*labels[:3], *([f"and {len(labels) - 3} more (--json names all)"] if labels[3:] else [])]
            notes.append(f"Not compared, only among the {side} records: {', '.join(told)}.")
    return notes


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
