"""The command line from the outside: data on stdout, one line of error, exit codes."""

import errno
import json
import os
import subprocess
import sys

import pytest
from command_line import BIN, call, fails
from conftest import ROOT
from tqdm import tqdm

from bioner_bench import corpora
from bioner_bench.cli import main as cli


def prediction(**fields):
    row = {
        "text": "Ataxia in mice.",
        "types": ["Disease"],
        "gold": [{"start": 0, "end": 6, "type": "Disease"}],
    }
    return json.dumps(row | fields) + "\n"


def commands(app=cli.app, path=()):
    """Every command and group of the command line."""
    yield list(path)
    for command in app.registered_commands:
        yield [*path, command.name or command.callback.__name__]
    for group in app.registered_groups:
        yield from commands(group.typer_instance, (*path, group.name))


@pytest.mark.slow
@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_has_help_with_an_example(command):
    shown = call(*command, "--help").stdout
    assert f"Example: bioner-bench {' '.join(command)}" in " ".join(shown.split()) or not command


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from bioner_bench import corpora; from bioner_bench.cli import main; "
        "from bioner_bench.evaluation import predictions, summary; "
        "heavy = {'torch', 'transformers', 'datasets', 'lm_eval', 'requests', 'pandas'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_json_goes_to_stdout_alone(tmp_path):
    found = json.loads(call("corpora", "ceiling", "bioner_sample", "--json").stdout)
    assert list(found) == ["bioner_sample"]
    assert list(found["bioner_sample"]) == ["strict_f1", "relaxed_f1", "sentences", "mentions"]
    counted = json.loads(call("corpora", "stats", "bioner_sample", "--json").stdout)["bioner_sample"]["test"]
    assert counted["sentences"] > 0
    assert counted["documents"] is None  # those of the sample are not known
    assert len(json.loads(call("corpora", "list", "--json").stdout)) == len(corpora.names())
    assert json.loads(call("corpora", "verify", "bioner_sample", "--json").stdout) == {
        "bioner_sample": {"train": "ok", "test": "ok"}
    }


def test_score_says_what_its_intervals_are_drawn_over(tmp_path):
    path = tmp_path / "predictions.jsonl"
    first, second, third = (prediction(output="{}", document=name) for name in ("A", "A", "B"))
    path.write_text(first + second + third)
    done = call("score", path)
    assert done.stdout.startswith("predictions.jsonl: 3 sentences of 2 documents, 3 mentions\n")
    assert not done.stderr
    assert json.loads(call("score", path, "--json").stdout)["documents"] == 2
    path.write_text(first + second + prediction(output="{}"))
    done = call("score", path)
    assert done.stdout.startswith("predictions.jsonl: 3 sentences, 3 mentions\n")
    assert "2 of 3 sentences name their document; intervals are drawn over sentences" in done.stderr


def test_score_of_text_and_of_spans(tmp_path):
    path = tmp_path / "predictions.jsonl"
    path.write_text(prediction(output='{"Disease": ["ataxia", "mouse pox"]}'))
    text = json.loads(call("score", path, "--json").stdout)
    assert (text["sentences"], text["mentions"]) == (1, 1)
    assert (text["strict_precision"], text["strict_recall"]) == (0.5, 1)
    assert text["hallucination_rate"] == 0.5
    assert text["strict_recall_seen"] is None
    assert text["json_valid"] == 1
    path.write_text(prediction(predicted=[{"start": 0, "end": 9, "type": "Disease"}]))
    spans = json.loads(call("score", path, "--json").stdout)
    assert (spans["strict_f1"], spans["relaxed_f1"]) == (0, 1)
    assert spans["json_valid"] is None
    assert "relaxed" in call("score", path).stdout


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "samples.jsonl:2"),
        ("[]", "samples.jsonl:2"),
        (prediction(), "one of output and predicted is needed"),
        (prediction(output="{}", predicted=[]), "and not both"),
        (prediction(output=3), "$.output: 3 is not of type 'string'"),
        (prediction(gold=[[0, 6, "Disease"]], output="{}"), "$.gold[0]"),
        (prediction(gold=[{"start": "0", "end": 6, "type": "Disease"}], output="{}"), "$.gold[0].start"),
        (prediction(gold={}, output="{}"), "$.gold: {} is not of type 'array'"),
        (prediction(types="Disease", output="{}"), "$.types"),
        (prediction(types=[], gold=[], output="{}"), "$.types"),
        (prediction(predicted=[{"start": 3, "end": 99, "type": "Disease"}]), "3-99 is not a span"),
        (prediction(predicted=[{"start": 0, "end": 6, "type": "Gene"}]), "'Gene' is none of Disease"),
        (prediction(types=["Gene"], gold=[], output="{}"), "other types"),
        (prediction(gold=[{"start": 0, "end": 6, "type": "Disease"}] * 2, output="{}"), "given twice"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, said):
    path = tmp_path / "samples.jsonl"
    path.write_text(prediction(output="{}") + line)
    assert said in fails("score", path)


@pytest.mark.slow
def test_unreadable_and_empty_files(tmp_path):
    assert "cannot read" in fails("score", tmp_path / "absent.jsonl")
    assert "holds no samples_*.jsonl" in fails("score", tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    assert "cannot read" in fails("score", tmp_path / "binary")
    (tmp_path / "empty").write_text("")
    assert "has no lines" in fails("score", tmp_path / "empty")


def test_several_files_and_folders_are_scored_at_once(tmp_path):
    (tmp_path / "out").mkdir()
    files = [tmp_path / "out" / "samples_a.jsonl", tmp_path / "b.jsonl"]
    for file in files:
        file.write_text("\ufeff" + prediction(output='{"Disease": ["ataxia"]}'), encoding="utf-8")
    found = json.loads(call("score", tmp_path / "out", tmp_path / "b.jsonl", "--json").stdout)
    assert list(found) == [str(file) for file in files]
    assert [scores["strict_f1"] for scores in found.values()] == [1, 1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["score", "x", "--jsn"], "No such option: --jsn"),
        (["score"], "see: bioner-bench score --help"),
        (["nope"], "No such command"),
        (["check", "a", "--against", "b"], "there is no file or folder a"),
        (["check", "a", "--against", "b", "--tasks", ""], "--tasks '' names nothing"),
        (["check", "a", "--against", "b", "--across", " ,"], "--across ' ,' names nothing"),
        (["leaderboard", "add", "a", "--system", ROOT / "baselines/dictionary.yaml"], "there is no folder a"),
        (["leaderboard", "add", ROOT, "--system", "a"], "no card for 'a'"),
        (["run", "--model", "bioner-oracle"], "no task is named"),
        (
            ["run", "--model", "bioner-oracl", "--tasks", "bioner_sample"],
            "this project's own are bioner-oracle",
        ),
        (["run", "--model", "encoder", "--tasks", "bioner_sample"], "--model_args do not fit the model"),
        (
            [
                "run",
                "--model",
                "encoder",
                "--model_args",
                "pretrained=x,batch_size=2",
                "--tasks",
                "bioner_sample",
            ],
            "an option of its own: --batch_size",
        ),
        (
            ["run", "--model", "hf", "--model_args", "pretrained=org/none", "--tasks", "bioner_sample"],
            "smollm2",
        ),
    ],
)
def test_wrong_use_is_one_line(tmp_path, arguments, said):
    line = fails(*arguments, cwd=tmp_path)
    assert said in line
    assert "a bug?" not in line


@pytest.mark.parametrize("command", ["corpora list --json", "corpora list", "--help", "--version"])
def test_a_reader_that_stops_early_is_no_error(command):
    reading, writing = os.pipe()
    os.close(reading)  # nobody reads: each writing fails, no matter who is faster
    words = [BIN / "bioner-bench", *command.split()]
    done = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_names_are_shown_as_they_are(tmp_path):
    folder = tmp_path / "[old]data[" / "x]"
    folder.mkdir(parents=True)
    wrong = call("corpora", "verify", "bioner_ncbi", code=1, BIONER_BENCH_MIRROR=str(folder), COLUMNS="500")
    assert "[old]data[" in wrong.stdout
    path = tmp_path / "predictions.jsonl"
    path.write_text(prediction(types=["Disease", "Gene[/]"], output="{}"))
    assert "Gene[/]" in call("score", path).stdout


def test_results_that_lm_eval_could_not_write_are_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    options = ["--model", "bioner-empty", "--tasks", "bioner_sample", "--limit", 2, "--output_path"]
    done = call("run", *options, tmp_path / "file" / "out", code=2)
    assert "error: lm-eval has not written its results to" in done.stderr
    assert "--log_samples" in call("run", *options, tmp_path / "out").stderr


@pytest.mark.slow
def test_unknown_names_list_the_known_ones():
    assert "bioner_ncbi" in fails("corpora", "ceiling", "bioner_nope")
    assert "smollm2-135m" in fails("models", "prepare", "nope")
    assert "float32" in fails("models", "prepare", "smollm2-135m", "--dtype", "int3")
    assert "bioner_nope" in fails("run", "--model", "bioner-oracle", "--tasks", "bioner_nope")


def test_a_mirror_that_is_gone_or_wrong(tmp_path):
    gone = fails("corpora", "fetch", "bioner_ncbi", BIONER_BENCH_MIRROR=str(tmp_path / "absent"))
    assert "no such file" in gone and "BIONER_BENCH_MIRROR" in gone
    cut = tmp_path / "NCBI-disease-IOB" / "train.tsv"
    cut.parent.mkdir()
    cut.write_text("Half\tO\n")
    assert "SHA-256" in fails("corpora", "fetch", "bioner_ncbi", BIONER_BENCH_MIRROR=str(tmp_path))
    wrong = call("corpora", "verify", "bioner_ncbi", "--json", code=1, BIONER_BENCH_MIRROR=str(tmp_path))
    assert "SHA-256" in json.loads(wrong.stdout)["bioner_ncbi"]["train"]


def test_a_malformed_users_corpus_is_named_with_its_line(tmp_path):
    from toy_corpus import write_toy_corpus

    environment = write_toy_corpus(tmp_path, ["Disease"])
    file = tmp_path / "entries" / "test.tsv"
    entry = tmp_path / "entries" / "toy.yaml"
    before = file.read_bytes()
    file.write_bytes(before.replace(b"here\tO", b"here\tO\tNN"))
    assert "SHA-256" in fails("corpora", "ceiling", "toy", **environment)
    file.write_bytes(before + before)
    shown = call("corpora", "verify", "toy", "--json", code=1, **environment).stdout
    found = json.loads(shown)["toy"]["test"]
    assert "SHA-256 is" in found and found.endswith("in the file: sentences: 4, mentions: {Disease: 2}")
    file.write_bytes(before.replace(b"here\tO", b"here\tO\tNN"))
    shown = call("corpora", "verify", "toy", "--json", code=1, **environment).stdout
    assert "SHA-256 is" in shown and "test.tsv:4: 3 tab-separated column(s)" in shown  # all faults at once
    import hashlib

    hashes = [hashlib.sha256(content).hexdigest() for content in (before, file.read_bytes())]
    entry.write_text(entry.read_text().replace(*hashes))
    assert "test.tsv:4: 3 tab-separated column(s)" in fails("corpora", "ceiling", "toy", **environment)


def test_run_takes_this_projects_models_and_writes_what_score_reads(tmp_path):
    options = ["--tasks", "bioner_sample", "--log_samples", "--output_path", tmp_path]
    shown = call("run", "--model", "bioner-oracle", "--limit", 10, *options).stdout
    assert "strict_f1" in shown
    (samples,) = tmp_path.glob("**/samples_bioner_sample_*.jsonl")
    assert json.loads(call("score", samples, "--json").stdout)["string_f1"] == 1


def test_an_error_inside_a_run_is_one_line(tmp_path):
    said = fails(
        "run", "--model", "bioner-oracle", "--tasks", "bioner_ncbi", BIONER_BENCH_MIRROR=str(tmp_path)
    )
    assert "no such file" in said


@pytest.mark.slow
@pytest.mark.usefixtures("mirror")
def test_verify_finds_every_real_corpus_right():
    found = json.loads(call("corpora", "verify", "--json").stdout)
    assert found["bioner_nlmgene"] == {"test": "ok (17 damaged)"}
    assert all(result.startswith("ok") for splits in found.values() for result in splits.values())


@pytest.mark.slow
def test_a_run_that_cannot_write_all_its_answers_is_no_success(tmp_path):
    """As on a full disk: no file grows above 100 kB, and lm-eval only warns of it."""
    options = ["--model", "bioner-oracle", "--tasks", "bioner_sample", "--log_samples"]
    for limit in (10_000, 100_000):  # half the results, and half the samples
        done = call("run", *options, "--output_path", tmp_path, code=2, largest_file=limit)
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert "lm-eval has not written" in line and "is the disk full?" in line


@pytest.mark.slow
def test_samples_that_were_cut_are_not_scored(tmp_path):
    options = ["--model", "bioner-oracle", "--tasks", "bioner_sample", "--log_samples"]
    call("run", *options, "--output_path", tmp_path)
    (samples,) = tmp_path.rglob("samples_*.jsonl")
    lines = samples.read_text(encoding="utf-8").splitlines(keepends=True)
    samples.write_text("".join(lines[:45]), encoding="utf-8")
    said = fails("score", samples)
    assert "45 sentences, but the run evaluated 76: a cut file" in said
    assert str(samples) in said
    (results,) = tmp_path.rglob("results_*.json")
    results.unlink()  # then nothing says how many there were
    assert json.loads(call("score", samples, "--json").stdout)["sentences"] == 45


def test_what_is_written_where_asked_replaces_no_link_device_or_pipe(tmp_path):
    answers = tmp_path / "answers.jsonl"
    answers.write_text(prediction(output="[]"))
    page, link, pipe = tmp_path / "page.html", tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(page)
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True)
    try:
        for place in (link, pipe):
            call("errors", answers, "--html", place)
        assert link.is_symlink() and pipe.is_fifo()
        assert "Ataxia" in page.read_text()
        assert reader.communicate(timeout=20)[0] == page.read_text()
    finally:
        reader.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes the streams")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_stream_is_no_error(closed):
    words = ["sh", "-c", f'"$0" --version {closed}', BIN / "bioner-bench"]
    done = subprocess.run(words, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="bytes in the environment")
def test_a_secret_that_is_no_text_is_no_error():
    given = os.environb | {b"HF_TOKEN": b"\xff\xfe\x80SECRETpw99"}
    done = subprocess.run([BIN / "bioner-bench", "--version"], capture_output=True, check=False, env=given)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.slow
def test_a_terminal_is_not_made_to_obey(tmp_path):
    """Escapes in the name of a file, in an identifier, in an answer and in an error."""
    path = tmp_path / "out\x1b[31m\x9b2J.jsonl"
    row = {
        "id": "\x1b]0;t\x07",
        "text": "ataxia \x1b[2J",
        "types": ["Disease"],
        "gold": [],
        "output": "\x1b[1m",
    }
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    done = call("score", path, "--resamples", 100)
    shown = done.stdout + call("errors", path).stdout + call("score", path, "--json").stdout
    shown += fails("score", tmp_path / "no\x1b[31m.jsonl")
    assert "x1b[31m" in shown
    assert not set(shown) & {"\x1b", "\x9b", "\x07"}


def test_an_error_has_a_line_of_its_own_behind_an_open_progress_bar(monkeypatch, capsys):
    bars = []

    def fail(**_):
        bars.append(tqdm(total=9))
        bars[0].update(3)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"error: [Errno {errno.ENOSPC}] {os.strerror(errno.ENOSPC)}"
