"""Models that take no time: two layers of random weights, and tokenizers made from the texts at hand."""

import torch
from tokenizers import ByteLevelBPETokenizer, Tokenizer, models, normalizers, pre_tokenizers, processors
from torch.nn.functional import cross_entropy
from transformers import (
    AutoModel,
    AutoModelForTokenClassification,
    BertConfig,
    BertTokenizerFast,
    RobertaConfig,
    RobertaTokenizerFast,
)

from bioner_bench.models import encoder
from bioner_bench.models.tagging import to_tags, words

torch.set_num_threads(1)  # for matrices this small, threads wait longer than they work

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 128,
}


def write_bert(folder, texts, tags=None, seed=0, **sizes):
    """A BERT with all words of one to six characters in its vocabulary; a token classifier if `tags` are
    given."""
    found = {text[start:end].lower() for text in texts for start, end in words(text)}
    pieces = {character for word in found for character in (word[0], *(f"##{c}" for c in word[1:]))}
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary += sorted(pieces | {word for word in found if len(word) <= 6})
    numbers = {piece: number for number, piece in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    BertTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    return _write(folder, BertConfig(vocab_size=len(vocabulary), **SIZES | sizes), tags, seed)


def write_roberta(folder, texts, tags=None, seed=0, **sizes):
    """A RoBERTa with a byte-level tokenizer trained on the texts, and two more positions than it can read."""
    tokenizer = ByteLevelBPETokenizer(add_prefix_space=True)
    tokenizer.train_from_iterator(
        texts, 400, min_frequency=1, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    )
    tokenizer.save_model(str(folder))
    RobertaTokenizerFast.from_pretrained(folder, add_prefix_space=True).save_pretrained(folder)
    config = RobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        type_vocab_size=1,
        **SIZES | {"max_position_embeddings": 130} | sizes,
    )
    return _write(folder, config, tags, seed)


def teach(folder, sentences, steps=60):
    """Train a token classifier until it is right about some of the sentences, wrong about others."""
    classifier = encoder.load(folder)
    tags, model = classifier.tags, classifier.model
    spans, inputs = encoder.read([s.text for s in sentences], classifier.tokenizer, classifier.max_length)
    gold = [to_tags(found, s.entities) for found, s in zip(spans, sentences, strict=True)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for step in range(steps):
        loss = 0
        for item in inputs[step % 8 :: 8]:
            logits = model(input_ids=torch.tensor([item.input_ids])).logits[0, item.first_subwords]
            window = item.window
            right = gold[window.sentence][window.owned_first : window.owned_last]
            loss += cross_entropy(logits, torch.tensor([tags.index(tag) for tag in right]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(folder)
    return folder


def _write(folder, config, tags, seed):
    torch.manual_seed(seed)
    if tags is None:
        AutoModel.from_config(config).save_pretrained(folder)
        return folder
    config.initializer_range = 0.1
    config.id2label = dict(enumerate(tags))
    config.label2id = {tag: number for number, tag in enumerate(tags)}
    AutoModelForTokenClassification.from_config(config).save_pretrained(folder)
    return folder
