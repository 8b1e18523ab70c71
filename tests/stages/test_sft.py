"""Fine-tuning: one process and two agree, a killed one goes on, and every checkpoint says where it comes from."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from training.hand import fine_tuning, many, nano_tokenizer, read_log, small_student

pytest.importorskip("trl")

from cort_data.errors import RunError, TrainingError
from cort_data.profiles import load_profile
from cort_data.stages.sft import fine_tune

HAND = Path(__file__).parents[1] / "training" / "hand.py"
EVERY = {"save_every": 2, "batch": 3, "packing": False, "epochs": 2}


@pytest.fixture(scope="module")
def student_dir(tmp_path_factory):
    return small_student(tmp_path_factory.mktemp("student"))


@pytest.fixture(scope="module")
def undisturbed(student_dir, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    return fine_tune(fine_tuning(**EVERY), many(), str(student_dir), out), out


def train_elsewhere(student_dir, out, options, *more, launcher=()):
    command = [sys.executable, *launcher, str(HAND), str(student_dir), str(out), json.dumps(options), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


def test_the_model_learns_and_loads_as_any_other(undisturbed):
    from transformers import AutoModelForCausalLM

    checkpoint, out = undisturbed
    log = read_log(out)
    assert log[-1][1] < log[0][1]
    assert checkpoint.updates == len(log) == 16
    model = AutoModelForCausalLM.from_pretrained(checkpoint.path)
    assert type(model).__name__ == "LlamaForCausalLM"
    assert not (out / "rows").exists()


def test_every_checkpoint_says_where_it_comes_from(undisturbed, student_dir):
    checkpoint, out = undisturbed
    folders = [checkpoint.path, *(out / "checkpoints").iterdir()]
    assert len(folders) == 3
    for folder in folders:
        record = json.loads((folder / "lineage.json").read_text())
        assert record["run_id"] == checkpoint.run_id
        assert record["base_model"]["name"] == str(student_dir)
        assert record["seed"] == 3
        assert record["trained_tokens"] > 0
        assert {"recipe", "data", "interpreter", "versions", "tokenizer"} <= record.keys()
        assert (folder / "README.md").read_text().startswith("---\nbase_model:")
    assert record["data"]["traces"] == 24
    from cort_data.training.rows import RowMaker, RowSettings
    from cort_data.training.tokens import Student

    maker = RowMaker(Student(nano_tokenizer(), load_profile("nano")), RowSettings())
    assert checkpoint.trained_tokens == 2 * sum(row.trained for row in maker.rows(many()))


def test_what_is_complete_is_reused_and_other_settings_are_refused(undisturbed, student_dir):
    checkpoint, out = undisturbed
    assert fine_tune(fine_tuning(**EVERY), many(), str(student_dir), out) == checkpoint
    with pytest.raises(RunError, match=r"sft\.learning_rate"):
        fine_tune(fine_tuning(**EVERY | {"learning_rate": 1e-3}), many(), str(student_dir), out)
    with pytest.raises(RunError, match="rows"):
        fine_tune(fine_tuning(**EVERY), many(23), str(student_dir), out)


def test_a_killed_training_goes_on_with_the_same_updates(undisturbed, student_dir, tmp_path):
    checkpoint, out = undisturbed
    killed = train_elsewhere(student_dir, tmp_path, EVERY, "10")
    assert killed.returncode == -9, killed.stderr
    torn = tmp_path / "checkpoints" / "checkpoint-12"  # as a kill leaves it: begun, and without a lineage
    torn.mkdir()
    (torn / "trainer_state.json").write_text("{")
    resumed = fine_tune(fine_tuning(**EVERY), many(), str(student_dir), tmp_path)
    assert read_log(tmp_path) == read_log(out)
    assert resumed.trained_tokens == checkpoint.trained_tokens
    assert resumed.run_id == checkpoint.run_id
    weights = "model.safetensors"
    assert (resumed.path / weights).read_bytes() == (checkpoint.path / weights).read_bytes()


def test_two_processes_have_the_loss_and_the_gradients_of_one(undisturbed, student_dir, tmp_path):
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    options = {"batch": 6, "packing": False, "epochs": 1}
    done = train_elsewhere(student_dir, tmp_path / "two", options, launcher=launcher)
    assert done.returncode == 0, done.stderr
    fine_tune(fine_tuning(**options), many(), str(student_dir), tmp_path / "one")
    one, two = read_log(tmp_path / "one"), read_log(tmp_path / "two")
    assert len(one) == 4
    for ours, theirs in zip(one, two, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)


def test_the_best_of_the_evaluations_is_kept_and_early_stop_stops(student_dir, tmp_path):
    options = {"epochs": 6, "learning_rate": 3.0, "eval_traces": 4, "early_stop": 1, "schedule": "constant"}
    checkpoint = fine_tune(fine_tuning(**options), many(), str(student_dir), tmp_path)
    log = json.loads((tmp_path / "log.json").read_text())
    losses = [float(e["eval_loss"]) for e in log if "eval_loss" in e]
    assert 1 < len(losses) < 6
    assert checkpoint.eval_loss == pytest.approx(min(losses))


def test_an_adapter_is_trained_and_merged(student_dir, tmp_path):
    from transformers import AutoModelForCausalLM

    options = {"method": "lora", "epochs": 1}
    checkpoint = fine_tune(fine_tuning(**options), many(8), str(student_dir), tmp_path)
    assert (tmp_path / "adapter" / "adapter_config.json").is_file()
    before, after = (AutoModelForCausalLM.from_pretrained(p) for p in (student_dir, checkpoint.path))
    weights = "model.layers.0.self_attn.q_proj.weight"
    assert not before.state_dict()[weights].equal(after.state_dict()[weights])
    assert before.state_dict()["model.norm.weight"].equal(after.state_dict()["model.norm.weight"])


@pytest.mark.parametrize(("base", "line"), [("nowhere", "there is no model 'nowhere'"), (".", "has no config.json")])
def test_a_base_that_does_not_exist_is_one_line(base, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TrainingError, match=line) as raised:
        fine_tune(fine_tuning(), many(1), base, tmp_path / "out")
    assert "\n" not in str(raised.value)


def test_out_of_memory_names_what_needs_less(student_dir, tmp_path, monkeypatch):
    from cort_data.training.trainer import TraceTrainer

    def full(self, *args, **kwargs):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: 9 bytes")

    monkeypatch.setattr(TraceTrainer, "training_step", full)
    with pytest.raises(TrainingError, match=r"out of memory in update 1; .*sft\.rows \(2\); .*lora.*max_tokens"):
        fine_tune(fine_tuning(rows=2), many(8), str(student_dir), tmp_path)


def test_four_bits_without_a_gpu_are_refused(student_dir, tmp_path):
    with pytest.raises(TrainingError, match="qlora needs"):
        fine_tune(fine_tuning(method="qlora"), many(4), str(student_dir), tmp_path)
