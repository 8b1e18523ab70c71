"""What the machine offers for isolation, and what is said where it does not; `attacks` shows that it holds."""

from cort_data.interpreter import isolation_report
from cort_data.interpreter.local.link import _refusal


def test_what_the_machine_cannot_give_is_refused_with_the_flag_to_type() -> None:
    message = _refusal("full", "unshare: Operation not permitted")
    assert message.startswith("isolation 'full' is not possible on this machine: unshare: Operation not permitted;")
    assert "--isolation " in message


def test_the_report_names_every_feature() -> None:
    report = isolation_report()
    assert [feature.name for feature in report] == [
        "namespaces",
        "landlock",
        "seccomp",
        "isolation full",
        "isolation reduced",
    ]
    assert all(feature.how and "Error" not in feature.how for feature in report)
