"""The tasks of a leaderboard: their groups, their order in tables, and how tables call them."""

from __future__ import annotations

from bioner_bench import corpora

GROUPS = {
    "bioner_core": ("core",),
    "bioner_ood": ("out-of-domain",),
    "bioner": ("core", "extended", "out-of-domain"),
}
"""Group -> the roles of its corpora."""

TAGS = {"bioner_disease": "Disease", "bioner_chemical": "Chemical", "bioner_gene": "Gene"}
"""Tag -> the one entity type that its corpora have."""


def task_order() -> list[str]:
    """The built-in tasks as tables list them: core, extended, out of domain, auxiliary, sample."""
    roles = ("core", "extended", "out-of-domain", "auxiliary", "demo")
    return sorted(corpora.built_in(), key=lambda task: (roles.index(corpora.get(task).role), task))


def members(name: str) -> list[str]:
    """The tasks of a group or a tag."""
    measured = [task for task in task_order() if corpora.get(task).role in GROUPS["bioner"]]
    if name in TAGS:
        return [task for task in measured if list(corpora.get(task).types) == [TAGS[name]]]
    return [task for task in measured if corpora.get(task).role in GROUPS[name]]


def corpus_name(task: str) -> str:
    """How tables call a task: its corpus, or the task itself where no entry of one has its name."""
    return corpora.get(task).name if task in corpora.names() else task
