"""What sessions share: caches of bounded size, and one computation at a time, the most urgent first."""

import threading
import time
from collections.abc import Generator
from types import SimpleNamespace

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests

from app import computing
from app.cache import SizedCache
from app.computing import ANSWER, SURVEY, SURVEYS_REST, SWEEP, TIMES, Computation, Queue, computed, draw_after, ended, kept


def test_a_cache_drops_what_was_not_used_for_longest() -> None:
    cache: SizedCache[bytes] = SizedCache(100, len)
    for name in "abc":
        cache.get(name, lambda: bytes(30))
    cache.get("a", lambda: pytest.fail("it is there"))
    cache.get("d", lambda: bytes(30))
    assert [name for name in "abcd" if cache.find(name) is not None] == ["a", "c", "d"]
    assert cache.total <= 100


def test_a_cache_keeps_the_last_value_however_large_and_follows_values_that_grow() -> None:
    cache: SizedCache[bytearray] = SizedCache(100, len)
    for number in range(20):
        cache.get(number, lambda: bytearray(5))
    assert len(cache) == 20
    cache.get(19, bytearray).extend(bytes(1000))
    cache.shrink()
    assert len(cache) == 1
    assert cache.find(19) is not None


def test_a_value_is_made_once_for_all_who_ask_and_again_after_an_error() -> None:
    cache: SizedCache[int] = SizedCache(100, lambda value: 1)
    made, begun, go_on = [], threading.Event(), threading.Event()

    def make() -> int:
        made.append(1)
        begun.set()
        assert go_on.wait(10)
        return 7

    found: list[int] = []
    askers = [threading.Thread(target=lambda: found.append(cache.get("key", make))) for _ in range(4)]
    for asker in askers:
        asker.start()
    assert begun.wait(10)
    go_on.set()
    for asker in askers:
        asker.join(10)
    assert (found, made) == ([7] * 4, [1])
    with pytest.raises(ZeroDivisionError):
        cache.get("other", lambda: 1 // 0)
    assert cache.get("other", lambda: 3) == 3


def test_a_key_that_is_made_twice_counts_once() -> None:
    cache: SizedCache[bytes] = SizedCache(100, len)

    def make() -> bytes:
        cache._making.clear()  # as where the making before failed
        cache.get("key", lambda: bytes(40))
        return bytes(40)

    cache.get("key", make)
    cache.get("other", lambda: bytes(60))
    assert len(cache) == 2
    assert cache._sum == cache.total == 100


def steps(name: str, count: int, seen: list[str]) -> Generator[None, None, str]:
    for _ in range(count):
        seen.append(name)
        yield
    return name.upper()


def test_answers_come_before_sweeps_and_equals_take_turns() -> None:
    queue, seen, held = Queue("test"), list[str](), threading.Event()

    def wait() -> Generator[None, None, None]:
        yield
        assert held.wait(10)

    first = queue.add(Computation(wait, ANSWER))
    some = [
        queue.add(Computation(lambda name=name: steps(name, 2, seen), urgency))
        for name, urgency in (("times", TIMES), ("sweep 1", SWEEP), ("sweep 2", SWEEP), ("answer", ANSWER))
    ]
    held.set()
    assert all(one.ended.wait(10) for one in (first, *some))
    assert seen == ["answer", "answer", "sweep 1", "sweep 2", "sweep 1", "sweep 2", "times", "times"]
    assert some[0].result() == "TIMES"
    assert not queue.busy


def test_surveys_rest_while_a_browser_draws_an_answer_and_nothing_else_does() -> None:
    queue, began = Queue("test"), dict[str, float]()

    def note(name: str) -> Generator[None, None, None]:
        began[name] = time.monotonic()
        yield

    answer = queue.add(Computation(lambda: note("answer"), ANSWER))
    assert answer.ended.wait(10)
    survey = queue.add(Computation(lambda: note("survey"), SURVEY))
    sweep = queue.add(Computation(lambda: note("sweep"), SWEEP))
    assert survey.ended.wait(10)
    assert sweep.ended.is_set()
    assert began["sweep"] < began["survey"]
    assert began["survey"] - began["answer"] >= SURVEYS_REST


def test_what_nobody_waits_for_is_dropped_and_errors_reach_who_waits() -> None:
    queue, seen = Queue("test"), list[str]()
    started, held = threading.Event(), threading.Event()

    def wait() -> Generator[None, None, None]:
        started.set()
        assert held.wait(10)
        yield

    queue.add(Computation(wait, ANSWER))
    assert started.wait(10)
    left = queue.add(Computation(lambda: steps("left", 3, seen), ANSWER))
    left.dropped = True
    wrong = queue.add(Computation(lambda: (_ for _ in [1 // 0]), SWEEP))
    held.set()
    assert wrong.ended.wait(10)
    with pytest.raises(ZeroDivisionError):
        wrong.result()
    assert seen == []
    assert computed(lambda: 5) == 5


def test_a_page_waits_as_long_as_it_wants_to_and_gets_errors() -> None:
    queue, held = Queue("test"), threading.Event()

    def wait() -> Generator[None, None, None]:
        assert held.wait(10)
        yield

    slow = queue.add(Computation(wait, SWEEP))
    assert not ended(slow, 0.0)
    assert not ended(slow, 0.2)
    assert not slow.dropped
    held.set()
    assert ended(slow)
    wrong = queue.add(Computation(lambda: (_ for _ in [1 // 0]), SWEEP))
    assert ended(wrong)
    with pytest.raises(ZeroDivisionError):
        draw_after(wrong)


def test_a_page_waits_no_longer_once_its_visitor_asks_for_a_fragment(monkeypatch: pytest.MonkeyPatch) -> None:
    requests, drawn = ScriptRequests(), list[bool]()
    monkeypatch.setattr(computing, "get_script_run_ctx", lambda: SimpleNamespace(script_requests=requests))
    monkeypatch.setattr(computing, "draw_again", lambda: drawn.append(True))
    monkeypatch.setattr(computing, "_this_fragment", lambda: "graph")
    done, never = (Computation(lambda: steps("", 1, []), TIMES) for _ in range(2))
    done.found = ""
    done.ended.set()
    draw_after(done)
    assert drawn == [True]
    requests.request_rerun(RerunData(fragment_id="strip", is_auto_rerun=True))
    assert not ended(never, 0.2), "what a fragment asks for every second does not count"
    assert not computing._fragment_asked()
    requests.request_rerun(RerunData(fragment_id="graph"))
    requests.request_rerun(RerunData(fragment_id="strip", is_auto_rerun=True))
    assert computing._fragment_asked(), "a request for the fragment that waits counts, whatever poll was joined with it"
    assert requests.on_scriptrunner_ready().rerun_data.fragment_id_queue == ["strip", "graph"]
    clicks = WidgetStates()
    clicks.widgets.add(id="sample", json_trigger_value='{"choose": 3}')
    requests.request_rerun(RerunData(fragment_id="strip", widget_states=clicks))
    requests.request_rerun(RerunData(fragment_id="strip", is_auto_rerun=True))
    assert computing._fragment_asked(), "a click counts, although a poll of the same fragment was joined with it"
    requests.on_scriptrunner_ready()
    requests.request_rerun(RerunData(fragment_id="clicked"))
    assert requests.on_scriptrunner_yield() is None, "Streamlit would let the page wait"
    assert not ended(never)
    assert not never.dropped
    draw_after(never)
    assert never.dropped
    assert drawn == [True, True], "together with what was clicked"


def test_what_is_left_before_it_is_waited_for_is_dropped() -> None:
    left, waited = (Computation(lambda: steps("", 1, []), SWEEP) for _ in range(2))
    with kept(waited), kept(None):
        pass
    with pytest.raises(ZeroDivisionError), kept(left):
        1 // 0  # noqa: B018
    assert (left.dropped, waited.dropped) == (True, False)


def test_one_who_comes_later_waits_behind_those_who_had_their_turn() -> None:
    queue, seen, held = Queue("test"), list[str](), threading.Event()

    def wait() -> Generator[None, None, None]:
        for _ in range(3):
            yield
        assert held.wait(10)

    first = queue.add(Computation(wait, ANSWER))
    early = queue.add(Computation(lambda: steps("early", 1, seen), SWEEP))
    while queue._turns < 4:
        time.sleep(0.01)
    late = queue.add(Computation(lambda: steps("late", 1, seen), SWEEP))
    held.set()
    assert all(one.ended.wait(10) for one in (first, early, late))
    assert seen == ["early", "late"]
