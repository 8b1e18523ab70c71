from rich.console import Console

from cort_data.evaluation.measures import MEASURES
from cort_data.tables import MIN_WIDTH, policy_table


def row(policy, value, difference=None, wordings="all", model="m"):
    scale = {name: 1e-4 if name in ("accuracy", "code_use_rate", "calls") else 1 for name in MEASURES}
    return {
        "model": model,
        "policy": policy,
        "wordings": wordings,
        **{name: value and value * scale[name] for name in MEASURES},
        "difference": difference
        and {
            name: {"value": difference * k, "low": -3721 * k, "high": -459 * k, "beyond_interval": True}
            for name, k in scale.items()
        },
    }


def show(*rows):
    results = {"problems": 300, "samples": 2, "note": "A note.", "rows": rows}
    console = Console(width=MIN_WIDTH)
    with console.capture() as capture:
        console.print(policy_table(results))
    return capture.get()


def test_values_differences_and_intervals_are_not_cut():
    text = show(row("none", 1291.0), row("hint_engineering", 123.0, -1168.0))
    assert "hint_engineering" in text
    assert "Δ -1168*" in text
    assert "-3721 … -459" in text
    assert "A note." in text


def test_what_has_no_value_is_a_dash():
    assert "–" in show(row("none", None))


def test_wordings_stand_below_their_policy_and_models_are_named_if_there_are_several():
    assert "  seen wordings" in show(row("none", 1.0), row("none", 1.0, wordings="seen"))
    assert "other none" in show(row("none", 1.0), row("none", 1.0, model="other"))
