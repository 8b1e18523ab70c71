import pytest
from builders import make_trace

from cort_data.prices import Prices, Tokens
from cort_data.spending import Part, Spending
from cort_data.tables import out, spending_table
from cort_data.trace import Decision, Event, Usage

EVENTS = (
    Event(kind="rewind", tokens=6),
    Event(kind="glued_fence", tokens=2),
    Event(kind="losing_branches", tokens=20),
    Event(kind="hint", name="h", outcome="fired"),
)


def trace(keep, **fields):
    decision = Decision(filter="answer", keep=keep, reason="kept" if keep else "wrong")
    return make_trace(decisions=(decision,), usage=Usage(streams=3, fresh_tokens=50, cached_tokens=100), **fields)


def test_each_token_of_a_kept_trace_is_useful_taken_back_or_lost():
    kept = trace(True, events=EVENTS)
    spending = Spending()
    spending.add(kept)
    written = {part: tokens.output for part, tokens in spending.tokens.items()}
    assert written == pytest.approx({"useful": kept.kept_tokens, "rewound": 8, "losing_branches": 20, "dropped": 0})
    assert spending.total == Tokens(pytest.approx(50), pytest.approx(100), pytest.approx(kept.generated_tokens))


def test_prompts_are_shared_out_as_the_written_tokens():
    kept = trace(True, events=EVENTS)
    spending = Spending()
    spending.add(kept)
    assert spending.tokens[Part.LOSING_BRANCHES].fresh == pytest.approx(50 * 20 / kept.generated_tokens)


def test_all_of_a_dropped_trace_is_dropped():
    dropped = trace(False, events=EVENTS)
    spending = Spending()
    spending.add(dropped)
    assert spending.tokens[Part.DROPPED] == Tokens(50, 100, dropped.generated_tokens)
    assert (spending.traces, spending.kept) == (1, 0)


def test_a_trace_without_a_written_token_costs_its_prompts():
    spending = Spending()
    spending.add(trace(True, segments=()))
    assert spending.tokens[Part.USEFUL] == Tokens(50, 100, 0)


def test_a_manifest_gives_it_back():
    spending = Spending()
    spending.add(trace(True))
    spending.add(trace(False))
    assert Spending.from_dict(spending.as_dict()) == spending


def test_the_table_shows_money_where_tokens_have_a_price(capsys):
    spending = Spending()
    spending.add(trace(False))
    out().print(spending_table(spending, Prices()))
    assert "USD" not in capsys.readouterr().out
    out().print(spending_table(spending, Prices(input_per_million=1000, output_per_million=0, currency="EUR")))
    shown = capsys.readouterr().out
    assert "EUR" in shown
    assert "0.1500" in shown
    out().print(spending_table(Spending(), Prices()))
    assert "0.0%" in capsys.readouterr().out
