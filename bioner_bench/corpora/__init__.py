"""Corpus files -> sentences.

`registry` says what there is, `files` where it lies, `formats` how it is read, `documents` which document a
sentence comes from; `loading` puts them together.
"""

from bioner_bench.corpora.loading import Split, load
from bioner_bench.corpora.registry import Corpus, CorpusFile, built_in, get, names

__all__ = ["Corpus", "CorpusFile", "Split", "built_in", "get", "load", "names"]
