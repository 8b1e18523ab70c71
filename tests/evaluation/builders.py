from cort_data.evaluation.scores import Score
from cort_data.grading import Verdict


def score(problem, sample, right, **changes):
    """A score: `right` is True, False, or None for unscored."""
    verdict = {True: Verdict.EQUAL, False: Verdict.DIFFERENT, None: Verdict.UNSCORED}[right]
    fields = {
        "model": "m",
        "set": "test",
        "policy": "none",
        "problem": problem,
        "digest": problem,
        "released": "",
        "id": f"{problem}-{sample}",
        "sample": sample,
        "seed": sample,
        "verdict": verdict,
        "reason": "",
        "gold": "1",
        "answer": "1" if right else "2",
        "group": 0 if right else 1,
        "hinted": False,
        "model_tokens": 10,
        "hint_tokens": 0,
        "interpreter_tokens": 0,
        "generated": 10,
        "calls": 0,
        "after": None,
        "stop": "answered",
    }
    return Score.model_validate(fields | changes)
