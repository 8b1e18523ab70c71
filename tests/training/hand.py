"""Traces written by hand, and a small student. Run as a program, it trains as its arguments say, and may be killed."""

import json
import os
import signal
import sys
from pathlib import Path

from cort_data.hints.library import load_library
from cort_data.nano.measure import WEIGHTS
from cort_data.trace import HintMark, Kind, Origin, Problem, Segment, Trace
from cort_data.training.settings import SftSettings

MARK = HintMark(name="delayed_computation", trigger="manual_arithmetic", wording=0, span_start=0, span_end=0)
WORDS = "Working these digits out by hand is slow, and a few lines of Python do it at once.\n"


def piece(kind, origin, text, hint=None):
    return Segment(kind=kind, origin=origin, text=text, hint=hint)


def trace(*segments, id="t", problem="2*3?", **fields):
    """A nano trace of these segments, answered."""
    values = {"prompt": f"<|user|>\n{problem}\n<|assistant|>\n<think>\n", "profile": "nano", "segments": segments}
    return Trace(id=id, problem=Problem(id=f"p-{id}", text=problem, answer="6"), **(values | fields))


def every_origin(words=WORDS, **fields):
    """Text, a hint with a fence, code, an output, a notice, the answer."""
    return trace(
        piece(Kind.TEXT, Origin.MODEL, "Go.\n"),
        piece(Kind.TEXT, Origin.HINT, words, MARK),
        piece(Kind.CODE, Origin.HINT, "```python\n", MARK),
        piece(Kind.CODE, Origin.MODEL, "print(6)\n```"),
        piece(Kind.OUTPUT, Origin.INTERPRETER, "\n```output\n6\n```\n"),
        piece(Kind.NOTICE, Origin.SYSTEM, "\n```notice\nNo.\n```\n"),
        piece(Kind.TEXT, Origin.MODEL, "So 6.\n</think>\n\\boxed{6}"),
        **fields,
    )


def with_ids(trace, encode, end):
    """The trace as an engine gives it: ids for every segment, an end token on the last."""
    segments = [s.model_copy(update={"token_ids": tuple(encode(s.text))}) for s in trace.segments]
    segments[-1] = segments[-1].model_copy(update={"token_ids": (*segments[-1].token_ids, end)})
    segments = [s.model_copy(update={"tokens": len(s.token_ids)}) for s in segments]
    return trace.model_copy(update={"segments": tuple(segments), "prompt_ids": tuple(encode(trace.prompt))})


def many(n=24):
    """Traces of different lengths, two for each problem."""
    for i in range(n):
        work = "".join(f"Step {j} gives {i * j}.\n" for j in range(1 + i % 7))
        made = every_origin(id=f"{i}", problem=f"{i // 2}*3?")
        first = made.segments[0].model_copy(update={"text": work})
        problem = made.problem.model_copy(update={"id": f"p{i // 2}"})
        yield made.model_copy(update={"segments": (first, *made.segments[1:]), "problem": problem})


def nano_tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(WEIGHTS / "student")


def small_student(folder):
    """A random one-layer Llama with the nano tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=1024,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    nano_tokenizer().save_pretrained(folder)
    return folder


def fine_tuning(**options):
    """Settings that train the small student in a second."""
    from cort_data.stages.sft import FineTuning

    sft = {"learning_rate": 1e-2, "epochs": 2, "batch": 4, "max_tokens": 256, "dtype": "float32", **options}
    return FineTuning(SftSettings(**sft), "nano", "plain", seed=3, hints=load_library(), sources=("by hand",))


def read_log(folder):
    """(update, loss, gradient norm) of every update."""
    entries = json.loads((Path(folder) / "log.json").read_text())
    return [(e["step"], float(e["loss"]), float(e["grad_norm"])) for e in entries if "loss" in e]


def main():
    """`hand.py STUDENT OUT OPTIONS [KILL_AT]`: train; kill this process after the checkpoint of an update."""
    from cort_data.stages.sft import fine_tune
    from cort_data.training.trainer import LineageWriter

    student, out, options, *kill = sys.argv[1:]
    written = LineageWriter.on_save

    def kill_after(self, args, state, control, **more):
        written(self, args, state, control, **more)
        if kill and state.global_step >= int(kill[0]):
            os.kill(os.getpid(), signal.SIGKILL)

    LineageWriter.on_save = kill_after
    fine_tune(fine_tuning(**json.loads(options)), many(), student, Path(out))


if __name__ == "__main__":
    main()
