"""Plans and launch lines."""

import shlex

import pytest

from cort_data.errors import TrainingError
from cort_data.recipe import load_recipe
from cort_data.training.launch import SHARDINGS, config_file, launch_line, without
from cort_data.training.plan import GPUS, SHAPES, gpu_bytes, needs, plan_table, shape_of
from cort_data.training.settings import SftSettings

BIG = SHAPES["deepseek-ai/DeepSeek-R1-Distill-Qwen-32B"]


def test_the_shape_of_a_model_comes_from_its_configuration(student_dir):
    shape = shape_of(str(student_dir))
    assert (shape.layers, shape.hidden, shape.inner, shape.vocabulary) == (2, 32, 48, 1024)
    with pytest.raises(TrainingError, match="no configuration"):
        shape_of(str(student_dir / "nowhere"))


def test_full_training_of_32b_needs_several_gpus_and_qlora_one():
    settings = SftSettings()
    h100 = GPUS["h100"].memory_gib * 2**30
    assert gpu_bytes(BIG, settings, "full", 8192, 1) > 16 * BIG.parameters
    assert gpu_bytes(BIG, settings, "full", 8192, 16) < h100
    assert gpu_bytes(BIG, settings, "qlora", 8192, 1) < h100 < gpu_bytes(BIG, settings, "lora", 8192, 1)


def test_more_gpus_need_less_memory_and_time_and_longer_rows_more():
    found = {(n.method, n.gpus): n for n in needs(BIG, SftSettings(), GPUS["h100"], 10**7, 8192)}
    longer = {(n.method, n.gpus): n for n in needs(BIG, SftSettings(), GPUS["h100"], 10**7, 16384)}
    assert found["full", 8].gib < found["full", 4].gib
    assert found["full", 8].hours == pytest.approx(found["full", 4].hours / 2)
    assert all(longer[key].gib > found[key].gib and longer[key].hours > found[key].hours for key in found)
    assert len(plan_table("m", BIG, "h100", found.values()).rows) == 3


@pytest.mark.parametrize("sharding", SHARDINGS)
def test_the_configurations_are_accelerates(sharding):
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(config_file(sharding)))
    assert config.mixed_precision == "bf16"


def test_the_launch_line_is_the_command_on_all_gpus():
    own = ["--recipe", "prompt_hint", "--launch", "fsdp", "--gpus=16", "--plan", "--set", "sft={epochs: 2}"]
    words = shlex.split(launch_line("fsdp", 16, without(own, ("--launch", "--gpus"), ("--plan",))))
    assert words[:2] == ["accelerate", "launch"]
    assert words[words.index("--num_processes") + 1] == "16"
    assert words[words.index("-m") :] == [
        "-m",
        "cort_data",
        "sft",
        "--recipe",
        "prompt_hint",
        "--set",
        "sft={epochs: 2}",
    ]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("prompt_hint", (1e-5, 17, 96, ("kept",))),
        ("hint_engineering", (1e-5, 40, 96, ("seeds",))),
        ("rft_32b", (1e-5, 17, 96, ("kept", "seeds"))),
        ("distill_1_5b", (7e-6, 6, 128, ("kept",))),
    ],
)
def test_the_recipes_have_the_papers_settings(name, settings):
    sft = load_recipe(name).sft
    assert (sft.learning_rate, sft.epochs, sft.batch, sft.data) == settings
