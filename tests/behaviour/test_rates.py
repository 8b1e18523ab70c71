import json
from importlib import resources

from cort_data.behaviour import observe
from cort_data.behaviour.rates import RATES, BehaviourTable
from tests.builders import block, completion, make_trace

NAMES = [rate.name for rate in RATES]


def table(*cases):
    found = BehaviourTable()
    for number, (text, topic, right) in enumerate(cases):
        trace = make_trace(text, id=f"t{number}")
        found.add(trace.problem.id, topic, observe(trace, "</think>"), right)
    return found


CODED = completion(block("print(2)", "2"), answer="2")
PLAIN = completion("So.\n", answer="2")


def values(group):
    return {n: None if v is None else v.value for n, v in zip(NAMES, group.rates(), strict=True)}


def test_rates_divide_what_they_say():
    found = values(table((CODED, "algebra", True), (CODED, "algebra", False), (PLAIN, "counting", True)).everything)
    assert found["code use"] == 2 / 3
    assert found["code success"] == 1
    assert found["wrong but running code"] == 1
    assert found["recovery after an error"] is None


def test_groups_by_topic_and_by_correctness():
    found = table((CODED, "algebra", True), (PLAIN, "", None))
    assert sorted(found.by_topic) == ["(no topic)", "algebra"]
    assert {name: group.traces for name, group in found.by_correctness.items()} == {
        "right": 1,
        "wrong": 0,
        "unscored": 1,
    }
    assert values(found.by_correctness["wrong"]) == dict.fromkeys(NAMES)


def test_calculation_and_verification_are_all_blocks():
    found = values(table((CODED, "", True)).everything)
    assert found["calculation"] + found["verification"] == 1


def test_the_instruments_own_error_is_shipped():
    error = json.loads((resources.files("cort_data.behaviour") / "measured.json").read_text())["error"]
    assert {"delayed computation", "result distrust", "verification"} == error.keys()
    assert all(row["cases"] >= 32 and row["agreement"]["low"] > 0.5 for row in error.values())
