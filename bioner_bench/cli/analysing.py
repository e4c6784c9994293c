"""The commands that look into results: `errors` and `compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bioner_bench.cli.options import Json
from bioner_bench.cli.terminal import console, print_json
from bioner_bench.schema import BenchmarkError

GIVEN = "A record whose answers are kept, lm-eval's output with samples, or predictions as `score` takes."


def errors(
    answers: Annotated[Path, typer.Argument(help=GIVEN)],
    against: Annotated[
        Path | None, typer.Option(help="Another system: show the sentences that only one of both has right.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Which task, where a folder holds several.")] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="Only sentences with this kind of error; again for more.")
    ] = None,
    type_: Annotated[
        list[str] | None, typer.Option("--type", help="Only errors with this entity type; again for more.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=0, help="Sentences of each kind, at most: 5 on the terminal, else all."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a page to this file. It holds the text of the corpus.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Where a system errs: sentences with gold and predicted spans, sorted by kind of error.

    The kinds: missed, spurious, boundary, type, boundary+type, hallucinated, surplus. A sentence with several
    stands under the first of them.
    """
    from bioner_bench.cli.errors import print_comparison, print_report
    from bioner_bench.evaluation.errors import ERRORS, Kind
    from bioner_bench.leaderboard import error_report, given_answers

    if unknown := sorted(set(kind or ()) - {one.value for one in ERRORS}):
        raise BenchmarkError(f"there is no kind {', '.join(unknown)}; there are: {', '.join(ERRORS)}")
    kinds, types = [Kind(one) for one in kind or ()], type_ or []
    ours = given_answers.read(answers, task)
    if against is None:
        made: error_report.Report | error_report.Comparison = error_report.report(ours, kinds, types)
    else:
        made = error_report.compare(ours, given_answers.read(against, task), kinds, types)
    if html is not None:
        from bioner_bench.leaderboard import errors_page
        from bioner_bench.writing import write_where_asked

        write_where_asked(html, errors_page.html(made, error_report.shorten(made.groups, limit)))
    if as_json:
        print_json(error_report.as_json(made, limit))
    elif html is not None:
        print(html)
    else:
        groups = error_report.shorten(made.groups, 5 if limit is None else limit)
        if isinstance(made, error_report.Comparison):
            print_comparison(console(), made, groups)
        else:
            print_report(console(), made, groups)


def compare(
    a: Annotated[Path, typer.Argument(help="A record, or the folder with the records of one system.")],
    b: Annotated[Path, typer.Argument(help="The same of another system.")],
    score: Annotated[str, typer.Option(help="The score to compare.")] = "strict_f1",
    as_json: Json = False,
) -> None:
    """By how much two systems differ: on every common task, by type, on mentions seen and unseen in training.

    Differences are A minus B, with 95 % intervals and p values of a paired bootstrap over documents and,
    where there are several, training seeds; p values are corrected by Holm's method.
    """
    from bioner_bench.cli.comparison import print_comparison
    from bioner_bench.leaderboard import comparing

    made = comparing.compare(a, b, score)
    if as_json:
        print_json(made.as_json())
    else:
        print_comparison(made)
