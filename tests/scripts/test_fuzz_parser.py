"""The fuzzing of the parser: a short run, and that it would notice a parser that raises."""

import sys

import fuzz_parser


def run(monkeypatch, number):
    monkeypatch.setattr(sys, "argv", ["fuzz_parser.py", "--n", str(number), "--no-huge"])
    return fuzz_parser.main()


def test_two_hundred_damaged_outputs_are_read(monkeypatch, capsys):
    assert run(monkeypatch, 200) == 0
    printed = capsys.readouterr().out
    assert "mutated outputs: 200 in" in printed
    assert "faults 0\n" in printed


def test_a_parser_that_raises_is_a_fault(monkeypatch, capsys):
    def raises(output, types):
        raise KeyError("x")

    monkeypatch.setattr(fuzz_parser, "parse", raises)
    assert run(monkeypatch, 3) == 1
    assert "3 times KeyError: 'x'" in capsys.readouterr().out
