"""The task folders: what lm-eval finds, what the YAML pins, and the prompts that come out."""

import hashlib
import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from lm_eval.tasks import TaskManager

from bioner_bench import corpora
from bioner_bench.evaluation import prompt, scoring
from bioner_bench.harness.task import to_sentence
from bioner_bench.harness.task_folders import task_manager
from bioner_bench.leaderboard import tasks as leaderboard_tasks
from bioner_bench.schema import BenchmarkError

FOLDER = Path(__file__).parents[2] / "tasks"
TAGS = {
    "bioner_disease": {"bioner_ncbi", "bioner_bc5cdr_disease"},
    "bioner_chemical": {"bioner_bc5cdr_chem", "bioner_nlmchem"},
    "bioner_gene": {"bioner_bc2gm", "bioner_nlmgene"},
}
ROLES = {
    "bioner": {"core", "extended", "out-of-domain"},
    "bioner_core": {"core"},
    "bioner_ood": {"out-of-domain"},
}


class Loader(yaml.SafeLoader):
    """Reads `!function x` as the string x."""


Loader.add_constructor("!function", lambda loader, node: node.value)


def read_yaml(path):
    return yaml.load(path.read_text(encoding="utf-8"), Loader)


FILES = {path.stem: path for path in sorted(FOLDER.rglob("*.yaml"))}
CONFIGS = {name: read_yaml(path) for name, path in FILES.items()}
TASKS = sorted(name for name, config in CONFIGS.items() if "group" not in config)
GROUPS = sorted(set(CONFIGS) - set(TASKS))
READMES = sorted(FOLDER.glob("*/README.md"))


@pytest.fixture(scope="module")
def whole():
    """lm-eval's index of all its tasks, which takes it six seconds to read: as a wildcard may mean any."""
    return task_manager(["bioner_nc*"], None)


@pytest.fixture(scope="module")
def manager():
    """The installed files alone."""
    return task_manager([*TASKS, *GROUPS], None)


@pytest.fixture(scope="module")
def _built():
    return {}


@pytest.fixture
def build(manager, _built, mirror):
    """Task by name, each built once; the seed of the demonstrations is as lm-eval sets it."""

    def get(name):
        if name not in _built:
            _built[name] = manager.load(name)["tasks"][name]
        _built[name].set_fewshot_seed(1234)
        return _built[name]

    return get


def some(task, n=12):
    """Documents from all over the test split."""
    docs = task.test_docs()
    return [docs[index] for index in range(0, len(docs), len(docs) // n)][:n]


def chat(turns, add_generation_prompt=True):
    return json.dumps([turns, add_generation_prompt])


def targets(context):
    """The answers of the demonstrations in a plain-text prompt."""
    return [
        json.loads(line.removeprefix("JSON: ")) for line in context.split("\n") if line.startswith("JSON: ")
    ]


# --- what is there ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_tasks_of_lm_eval_are_read_only_where_a_name_asks_for_them(whole, tmp_path):
    (tmp_path / "mine.yaml").write_text("group: mine\ntask: [bioner_sample]\n")
    for names in (["bioner_ncbi", "bioner_ood", "bioner_gene"], ["mine", "bioner_ncbi"]):
        found = task_manager(names, str(tmp_path), metadata={"x": 1})
        assert {*FILES, *TAGS, "mine"} == set(found.all_tasks)
        assert found.metadata == {"x": 1}
    assert {"hellaswag", "bioner_ncbi"} <= set(whole.all_tasks)
    (tmp_path / "mine.yaml").write_text("group: mine\ntask: [bioner_sample, {task: hellaswag}]\n")
    assert {"hellaswag", "bioner_ncbi", "mine"} <= set(task_manager(["mine"], str(tmp_path)).all_tasks)


@pytest.mark.slow
def test_lm_eval_finds_every_task_group_and_tag_without_an_include_path(whole):
    def ours(names):
        return {name for name in names if name == "bioner" or name.startswith("bioner_")}

    assert ours(whole.all_subtasks) == set(TASKS)
    assert ours(whole.all_groups) == set(GROUPS) == set(ROLES)
    assert ours(whole.all_tags) == set(TAGS)
    for tag, members in TAGS.items():
        assert whole.task_index[tag].tags == members
        assert {task for task in TASKS if tag in (CONFIGS[task].get("tag") or "").split()} == members
    assert {name: set(leaderboard_tasks.members(name)) for name in leaderboard_tasks.TAGS} == TAGS


@pytest.mark.slow
def test_installed_files_are_those_of_the_repository(whole):
    for name, path in FILES.items():
        installed = whole.task_index[name].yaml_path
        assert installed.read_bytes() == path.read_bytes(), "install the project again"
    aggregates = whole.task_index["bioner"].yaml_path.with_name("_aggregates")
    assert aggregates.read_bytes() == (FOLDER / "groups" / "_aggregates").read_bytes()


def test_tasks_are_the_corpora():
    assert corpora.names() == TASKS
    for name, config in CONFIGS.items():
        assert config.get("task" if name in TASKS else "group") == name, "the file bears the name"


def test_task_folders_hold_no_python():
    assert not list(FOLDER.rglob("*.py"))


@pytest.mark.parametrize("name", TASKS)
def test_version_and_prompt_are_pinned(name):
    metadata = CONFIGS[name]["metadata"]
    assert isinstance(metadata["version"], float)
    assert metadata["prompt_hash"] == prompt.prompt_hash(corpora.get(name).types), (
        "a new prompt needs a new task version, and a line in the folder's changelog"
    )


# --- groups ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", GROUPS)
def test_group_has_the_corpora_of_its_roles(group):
    members = CONFIGS[group]["task"]
    assert len(members) == len(set(members))
    assert set(members) == {task for task in TASKS if corpora.get(task).role in ROLES[group]}


def test_groups_average_every_score_without_weights():
    aggregates = read_yaml(FOLDER / "groups" / "_aggregates")["aggregate_metric_list"]
    assert [item["metric"] for item in aggregates] == list(scoring.scores(["X"]))
    assert all(item["aggregation"] == "mean" and item["weight_by_size"] is False for item in aggregates)
    assert all(CONFIGS[group]["include"] == "_aggregates" for group in GROUPS)


@pytest.mark.slow
@pytest.mark.usefixtures("mirror")
def test_group_as_lm_eval_builds_it_takes_the_plain_mean(manager):
    group = manager.load("bioner_ood")["groups"]["bioner_ood"]
    results = {
        "bioner_nlmchem": {"strict_f1,none": 0.9, "strict_f1_stderr,none": 0.03, "sample_len": 10_914},
        "bioner_nlmgene": {"strict_f1,none": 0.5, "strict_f1_stderr,none": 0.04, "sample_len": 1_111},
    }
    found = group.aggregate(results)
    assert found["strict_f1,none"] == pytest.approx(0.7)
    assert found["strict_f1_stderr,none"] == pytest.approx(0.025)


# --- prompts ---------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
@pytest.mark.usefixtures("mirror")
def test_longest_target_fits_into_the_answer(name):
    corpus = corpora.get(name)
    longest = max(
        len(prompt.target(sentence.text, sentence.entities, corpus.types))
        for split in corpus.files
        for sentence in corpora.load(name, split).sentences
    )
    # Lists of chemical formulas are the worst case of tokenizers, with about two characters a token.
    assert CONFIGS[name]["generation_kwargs"]["max_gen_toks"] >= longest / 2


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_zero_shot_prompt_is_instruction_and_sentence(name, build):
    task = build(name)
    types = corpora.get(name).types
    assert len(task.test_docs()) == corpora.get(name).files["test"].sentences
    for doc in some(task, 4):
        context = task.fewshot_context(doc, 0)
        assert context == f"{prompt.instruction(types)}\n\nSentence: {doc['text']}\nJSON:"
        assert all(f"- {type_}: {definition}\n" in context for type_, definition in types.items())
        [[turn], add_generation_prompt] = json.loads(
            task.fewshot_context(doc, 0, apply_chat_template=True, chat_template=chat)
        )
        assert turn == {"role": "user", "content": context}
        assert add_generation_prompt is True


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_few_shot_prompt_shows_solved_training_sentences(name, build):
    task = build(name)
    corpus = corpora.get(name)
    schema = prompt.answer_schema(list(corpus.types))
    training = {doc["text"] for doc in task.training_docs()}
    instruction = prompt.instruction(corpus.types)
    for doc in some(task):
        context = task.fewshot_context(doc, 5)
        assert context.startswith(instruction)
        assert context.count(instruction) == 1
        assert context.endswith(f"\n\nSentence: {doc['text']}\nJSON:")
        shown = targets(context)
        assert len(shown) == 5
        assert not all(any(answer.values()) for answer in shown), "one demonstration has no mention"
        assert any(any(answer.values()) for answer in shown), "one demonstration has a mention"
        for answer in shown:
            jsonschema.validate(answer, schema)
        sentences = re.findall("^Sentence: (.*)\nJSON: ", context, re.MULTILINE)
        assert len(sentences) == 5
        assert training.issuperset(sentences)
        assert doc["text"] not in sentences


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_chat_has_the_same_demonstrations_as_plain_text(name, build):
    task = build(name)
    for doc in some(task, 4):
        plain = task.fewshot_context(doc, 5)
        turns, _ = json.loads(
            task.fewshot_context(
                doc, 5, apply_chat_template=True, fewshot_as_multiturn=True, chat_template=chat
            )
        )
        assert [turn["role"] for turn in turns] == ["user", "assistant"] * 5 + ["user"]
        assert [json.loads(turn["content"]) for turn in turns[1::2]] == targets(plain)
        assert prompt.plain_text(turns) == plain
        [[single], _] = json.loads(
            task.fewshot_context(
                doc, 5, apply_chat_template=True, fewshot_as_multiturn=False, chat_template=chat
            )
        )
        assert single == {"role": "user", "content": plain}


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_demonstrations_depend_on_the_sentence_and_the_seed_alone(name, build):
    task = build(name)
    docs = some(task)
    forward = [task.fewshot_context(doc, 3) for doc in docs]
    assert [task.fewshot_context(doc, 3) for doc in reversed(docs)] == forward[::-1]
    assert len({context.rpartition("\n\nSentence: ")[0] for context in forward}) > 1
    task.set_fewshot_seed(7)
    assert all(task.fewshot_context(doc, 3) != old for doc, old in zip(docs, forward, strict=True))
    task.set_fewshot_seed(1234)
    assert [task.fewshot_context(doc, 3) for doc in docs] == forward


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bioner_linnaeus", "bioner_jnlpba", "bioner_bc2gm"])
def test_sentence_that_is_also_in_training_is_never_its_own_demonstration(name, build):
    task = build(name)
    training = set(task.training_docs()["text"])
    repeated = [doc for doc in task.test_docs() if doc["text"] in training]
    assert repeated
    for doc in repeated[:40]:
        assert all(shot.text != doc["text"] for shot in task.demonstrations(doc, 50))


def test_limit_does_not_change_a_prompt(build):
    task = build("bioner_sample")
    task.set_config("num_fewshot", 3)
    contexts = {}
    for limit in (None, 5):
        task.build_all_requests(limit=limit)
        contexts[limit] = [request.arguments[0] for request in task.instances]
    assert len(contexts[None]) == 76
    assert contexts[5] == contexts[None][:5]
    task.build_all_requests(samples=[70, 3])
    assert sorted(request.arguments[0] for request in task.instances) == sorted(
        contexts[None][index] for index in (3, 70)
    )


@pytest.mark.parametrize("applied", [False, True])
def test_generation_is_greedy_and_stops_after_the_answer(build, applied):
    task = build("bioner_ncbi")
    doc = task.test_docs()[0]
    request = task.construct_requests(
        doc, "", metadata=("bioner_ncbi", 0, 1), apply_chat_template=applied, chat_template=chat
    )
    assert request.arguments[1] == {
        "until": [] if applied else ["\n\n"],
        "do_sample": False,
        "max_gen_toks": CONFIGS["bioner_ncbi"]["generation_kwargs"]["max_gen_toks"],
    }
    assert task.config.generation_kwargs["until"] == ["\n\n"], "the task keeps its own"


# --- a corpus of one's own costs an entry and a YAML -----------------------------------------------------


def rows_of(pairs):
    lines = []
    for text, gene in pairs:
        start = text.index(gene) if gene else 0
        entities = [{"start": start, "end": start + len(gene), "type": "Gene"}] if gene else []
        lines.append(json.dumps({"text": text, "entities": entities}))
    return "".join(f"{line}\n" for line in lines)


def add_corpus(folder, name, test, train=None, **changes):
    files = {}
    for split, pairs in (("train", train), ("test", test)):
        if pairs:
            path = folder / f"{name}-{split}.jsonl"
            path.write_text(rows_of(pairs), encoding="utf-8")
            files[split] = {
                "path": path.name,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "sentences": len(pairs),
                "mentions": {"Gene": sum(bool(gene) for _, gene in pairs)},
            }
    entry = {
        "task": name,
        "name": name,
        "role": "demo",
        "types": {"Gene": "a gene"},
        "format": "jsonl",
        "files": files,
        "licence": "none",
        "citation": "none",
    } | changes
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(entry))
    tasks = folder / "tasks"
    tasks.mkdir(exist_ok=True)
    (tasks / f"{name}.yaml").write_text(
        f"task: {name}\nclass: !function bioner_bench.harness.task.BioNERTask\n"
    )


def load_own(folder, name, monkeypatch):
    monkeypatch.setenv("BIONER_BENCH_CORPORA", str(folder))
    own = TaskManager(include_path=str(folder / "tasks"), include_defaults=False)
    return own.load(name)["tasks"][name]


def test_own_corpus_needs_only_an_entry_and_a_yaml(tmp_path, monkeypatch):
    train = [(f"TP5{number} binds", f"TP5{number}") for number in range(6)]
    train += [(f"nothing in {number}", "") for number in range(6)]
    add_corpus(tmp_path, "toy", test=[train[0], train[6]], train=train)
    task = load_own(tmp_path, "toy", monkeypatch)
    for doc in task.test_docs():
        for seed in range(20):
            task.set_fewshot_seed(seed)
            shown = task.demonstrations(doc, 11)
            assert sorted(shot.text for shot in shown) == sorted(
                text for text, _ in train if text != doc["text"]
            )
    doc = task.test_docs()[0]
    assert to_sentence(doc).text == "TP50 binds"
    assert doc["entities"][0]["seen"] is True
    assert set(scoring.scores(["Gene"])) <= set(task.process_results(doc, ['{"Gene": ["TP50"]}']))


def test_training_corpus_with_further_types_is_refused_or_cut_down(tmp_path, monkeypatch):
    add_corpus(tmp_path, "toy", test=[("TP53 binds", "TP53")], training_corpus="bioner_sample")
    try:
        task = load_own(tmp_path, "toy", monkeypatch)
        context = task.fewshot_context(task.test_docs()[0], 5)
    except BenchmarkError as error:
        assert "bioner_sample" in str(error)
    else:
        assert all(list(answer) == ["Gene"] for answer in targets(context))


# --- READMEs ---------------------------------------------------------------------------------------------


def test_every_folder_has_a_readme():
    folders = sorted({path.parent for path in FILES.values()})
    assert [path.parent for path in READMES] == folders


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.parent.name)
def test_readme_names_its_tasks_and_their_versions(path):
    text = path.read_text(encoding="utf-8")
    _, heading, changelog = text.partition("### Changelog")
    assert heading
    for file in path.parent.glob("*.yaml"):
        assert f"`{file.stem}`" in text
        if file.stem in TASKS:
            assert f"{CONFIGS[file.stem]['metadata']['version']} (" in changelog
            assert all(f"`{tag}`" in text for tag, members in TAGS.items() if file.stem in members)
            assert all(f"`{group}`" in text for group in GROUPS if file.stem in CONFIGS[group]["task"])


@pytest.mark.parametrize("name", TASKS)
def test_readme_has_the_sizes_of_the_registry(name):
    text = (FILES[name].parent / "README.md").read_text(encoding="utf-8")
    for file in corpora.get(name).files.values():
        assert re.search(rf"\| {file.sentences:,} \|", text)
        for type_, number in file.mentions.items():
            assert re.search(rf"\b{type_} {number:,}\b", text), f"{type_} {number:,}"


@pytest.mark.parametrize("name", TASKS)
def test_readme_shows_a_target_of_the_task(name):
    text = (FILES[name].parent / "README.md").read_text(encoding="utf-8")
    types = list(corpora.get(name).types)
    examples = [
        (sentence, json.loads(answer))
        for sentence, answer in re.findall(r"^Sentence: (.*)\nJSON: (\{.*\})$", text, re.MULTILINE)
    ]
    matching = [(sentence, answer) for sentence, answer in examples if list(answer) == types]
    assert matching
    for sentence, answer in matching:
        jsonschema.validate(answer, prompt.answer_schema(types))
        assert all(mention in sentence for mentions in answer.values() for mention in mentions)


def test_the_tests_that_pages_name_are_there():
    root = FOLDER.parent
    pages = [*FOLDER.rglob("*.md"), *root.glob("docs/*.md"), *root.glob("*.md")]
    named = {name for page in pages for name in re.findall(r"\btests/[\w/]+\.\w+", page.read_text("utf-8"))}
    assert len(named) >= 5
    assert [name for name in sorted(named) if not (root / name).is_file()] == []
