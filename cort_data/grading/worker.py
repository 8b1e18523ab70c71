"""The worker process: `python -m cort_data.grading.worker RULE…` judges one pair a line until its input ends.

Input lines are `[first, second, cpu_seconds]`, output lines `[verdict, reason]`, after a first line `"ready"`. The
kernel ends the process when a pair takes more than its CPU seconds: no signal handler of a library can prevent it.
"""

import json
import math
import resource
import sys
from collections.abc import Mapping

from cort_data.grading.algebra import judge
from cort_data.grading.compare import compare_texts
from cort_data.grading.rules import Rule, find_rule, settle
from cort_data.grading.verdict import Grade, unscored

_MEMORY_BYTES = 4 * 2**30


def main() -> None:
    """Serve until stdin ends."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    rules = {name: find_rule(name) for name in sys.argv[1:]}
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        first, second, cpu_seconds = json.loads(line)
        _bound_cpu(cpu_seconds)
        grade = _grade(first, second, rules)
        print(json.dumps([grade.verdict, grade.reason]), flush=True)


def _grade(first: str, second: str, rules: Mapping[str, Rule]) -> Grade:
    try:
        grade = compare_texts(first, second, judge)
        assert grade is not None  # judge always decides
        return settle(grade, ((name, rule(first, second)) for name, rule in rules.items()))
    except MemoryError:
        return unscored("memory")
    except RecursionError:
        return unscored("nested too deeply")


def _bound_cpu(seconds: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = math.ceil(used.ru_utime + used.ru_stime + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
