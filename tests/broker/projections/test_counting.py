"""Reports over hand-made logs, with numbers that can be checked by hand."""

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from broker.projections import counting
from broker.projections.schema import FILE, connect
from broker.projections.store import Store
from desk.finding.reports import REPORTS, Asked, By, Group, Name, Value, period
from router import facts as f
from tests.broker.projections.story import DAY, HOUR, MINUTE, SECOND, WARSAW, Story, at


class Counter:
    """Asks for reports; what is given is the total of a group unless a bucket is named."""

    def __init__(self, folder: Path, story: Story) -> None:
        self.folder = folder
        self.story = story

    def groups(
        self, name: Name, days: tuple[str, str], by: By = "day", zone: ZoneInfo = WARSAW, **asked: object
    ) -> dict[str, Group]:
        over = period(date.fromisoformat(days[0]), date.fromisoformat(days[1]), by, zone)
        database = connect(self.folder / FILE)
        try:
            found = counting.count(database, Asked(name=name, period=over, **asked), self.story.now)  # type: ignore[arg-type]  # told by tests
        finally:
            database.close()
        assert found[0].key == ""
        return {group.key: group for group in found}

    def total(self, name: Name, key: str = "", day: str = "2026-11-02", **asked: object) -> Mapping[str, Value]:
        return self.groups(name, (day, day), **asked)[key].total  # type: ignore[arg-type]  # told by tests


@pytest.fixture
def count(folder: Path, story: Story) -> Counter:
    return Counter(folder, story)


def some(figures: Mapping[str, Value], *names: str) -> list[Value]:
    return [figures[name] for name in names]


@pytest.mark.parametrize("name", list(REPORTS))
def test_a_report_over_nothing_counts_nothing(count: Counter, name: Name) -> None:
    groups = count.groups(name, ("2026-11-01", "2026-11-30"))
    assert list(groups) == [""]
    columns = {column.name: column.unit for column in REPORTS[name].columns}
    assert set(groups[""].total) == set(columns)
    assert {name for name, value in groups[""].total.items() if value not in (0, None)} == set()
    assert all(groups[""].total[name] == 0 for name, unit in columns.items() if unit == "count")
    assert all(len(values) == 30 for values in groups[""].series.values())


@pytest.mark.parametrize("name", list(REPORTS))
def test_every_column_of_a_report_is_counted(count: Counter, story: Story, name: Name) -> None:
    story.calls("c1", "k1")
    story.tell("c1", f.Offered(conversation="c1", offer="o1", operator="ben", units=1, epoch=1, expires=0))
    story.wait(MINUTE).assigns("c1", "ben")
    story.wait(MINUTE).rings("c1", "k1", "answered", "ben")
    story.wait(MINUTE).rings("c1", "k1", "over")
    story.wait(MINUTE).answers("c1")
    story.wait(MINUTE).leaves("c1", "ben")
    story.closes("c1")
    story.rates("c1", 4)
    total = count.total(name)
    assert [column for column, value in total.items() if value is None] == []


# --- volume ---------------------------------------------------------------------------------------------------------


def test_volume_counts_cases_messages_answers_and_calls_by_channel(count: Counter, story: Story) -> None:
    story.opens("c1")
    story.says("c1")
    story.says("c1")
    story.answers("c1")
    story.opens("c2", channel="mail")
    story.calls("c3", "k1")
    names = ("begun", "by_customers", "messages", "answers", "calls")
    groups = count.groups("volume", ("2026-11-02", "2026-11-02"))
    assert list(groups) == ["", "mail", "phone", "site"]
    assert some(groups["site"].total, *names) == [1, 1, 3, 1, 0]
    assert some(groups["mail"].total, *names) == [1, 1, 1, 0, 0]
    assert some(groups["phone"].total, *names) == [1, 1, 0, 0, 1]
    assert some(groups[""].total, *names) == [3, 3, 4, 1, 1]
    assert list(count.groups("volume", ("2026-11-02", "2026-11-02"), channels=("mail", "fax"))) == ["", "fax", "mail"]


def test_what_is_nobodys_work_is_no_case_and_what_machines_write_no_message(count: Counter, story: Story) -> None:
    for name, result in (("c1", "automatic"), ("c2", "call"), ("c3", "answered elsewhere"), ("c4", "linked")):
        story.opens(name, automatic=name == "c1")
        story.closes(name, by="", result=result)
    assert some(count.total("volume"), "begun", "messages") == [0, 3]
    assert some(count.total("resolution"), "closed", "p50") == [0, None]
    assert some(count.total("first_answer"), "waited", "abandoned") == [0, 0]


def test_an_operator_may_close_with_any_words(count: Counter, story: Story) -> None:
    story.opens("c1")
    story.closes("c1", by="ben", result="linked")
    assert some(count.total("volume"), "begun") == [1]


def test_phrases_of_the_system_wishes_and_second_tries_are_no_answers(count: Counter, story: Story) -> None:
    story.opens("c1")
    story.answers("c1", "")
    story.answers("c1", "ben", wish=True)
    story.answers("c1", "ben")
    story.answers("c1", "ben", again="c1-2")
    assert some(count.total("volume"), "answers") == [1]


def test_a_reopened_conversation_is_another_case(count: Counter, story: Story) -> None:
    story.opens("c1")
    story.closes("c1")
    story.wait(DAY).reopens("c1")
    story.closes("c1")
    story.wait(DAY).reopens("c1", by="ben")
    groups = count.groups("volume", ("2026-11-02", "2026-11-04"))
    assert groups[""].series["begun"] == [1, 1, 1]
    assert groups[""].series["by_customers"] == [1, 1, 0]


# --- time -----------------------------------------------------------------------------------------------------------


def test_days_are_those_of_the_time_zone(count: Counter, story: Story) -> None:
    story.now = at("2026-11-02 23:30:00")
    story.opens("c1")
    story.now = at("2026-11-03 00:30:00")
    story.opens("c2")
    days = ("2026-11-02", "2026-11-03")
    assert count.groups("volume", days)[""].series["begun"] == [1, 1]
    assert count.groups("volume", days, zone=ZoneInfo("UTC"))[""].series["begun"] == [2, 0]


def test_the_day_on_which_the_clocks_go_back_has_25_hours(count: Counter, story: Story) -> None:
    midnight = at("2026-10-25 00:00:00")
    for hour in range(25):
        story.now = midnight + hour * HOUR + MINUTE
        story.opens(f"c{hour}")
    days = ("2026-10-25", "2026-10-25")
    hours = count.groups("volume", days, by="hour")[""].series["begun"]
    assert hours == [1] * 25
    assert count.groups("volume", days)[""].series["begun"] == [25]
    labels = [bucket.label for bucket in period(date(2026, 10, 25), date(2026, 10, 25), "hour", WARSAW).buckets]
    assert labels[2:4] == ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00"]


def test_the_day_on_which_the_clocks_go_forward_has_23_hours(count: Counter, story: Story) -> None:
    story.now = at("2026-03-29 23:59:59")
    story.opens("c1")
    story.now += SECOND
    story.opens("c2")
    hours = count.groups("volume", ("2026-03-29", "2026-03-29"), by="hour")[""].series["begun"]
    assert hours == [0] * 22 + [1]
    assert count.groups("volume", ("2026-03-29", "2026-03-30"))[""].series["begun"] == [1, 1]


# --- first answer ---------------------------------------------------------------------------------------------------


def test_the_first_answer_is_timed_from_the_first_message(count: Counter, story: Story) -> None:
    for number, seconds in enumerate((10, 20, 30, 40, 100)):
        name = f"c{number}"
        story.opens(name)
        story.wait(seconds * SECOND // 2).says(name)
        story.answers(name, "")
        story.wait(seconds * SECOND // 2).answers(name)
        story.wait(HOUR).answers(name)
    total = count.total("first_answer", within=30)
    assert some(total, "waited", "answered", "abandoned", "within") == [5, 5, 0, 3 / 5]
    assert some(total, "p50", "p90", "p95", "mean", "longest") == [30_000, 100_000, 100_000, 40_000, 100_000]
    assert total["abandoned_share"] == 0


def test_percentiles_are_by_nearest_rank(count: Counter, story: Story) -> None:
    for number in range(1, 21):
        start = story.now
        story.opens(f"c{number}")
        story.wait(number * SECOND).answers(f"c{number}")
        story.now = start
    story.now += HOUR
    assert some(count.total("first_answer"), "p50", "p90", "p95") == [10_000, 18_000, 19_000]


def test_a_wait_counts_where_it_began_and_not_where_it_was_answered(count: Counter, story: Story) -> None:
    story.now = at("2026-11-02 23:59:00")
    story.opens("c1")
    story.wait(2 * MINUTE).answers("c1")
    groups = count.groups("first_answer", ("2026-11-02", "2026-11-03"))
    assert groups[""].series["answered"] == [1, 0]
    assert groups[""].series["p50"] == [120_000, None]


def test_who_was_never_answered_is_abandoned_once_it_is_closed(count: Counter, story: Story) -> None:
    story.opens("c1")
    story.opens("c2")
    story.wait(10 * SECOND).answers("c2")
    story.opens("c3")
    story.closes("c1", by="ben", result="gone")
    names = ("waited", "answered", "abandoned", "abandoned_share", "within")
    assert some(count.total("first_answer", within=60), *names) == [3, 1, 1, 1 / 2, 1 / 2]
    story.wait(61 * SECOND)
    assert some(count.total("first_answer", within=60), *names) == [3, 1, 1, 1 / 2, 1 / 3]


def test_what_an_operator_or_a_returned_answer_began_waits_for_no_first_answer(count: Counter, story: Story) -> None:
    story.opens("c1")
    story.closes("c1")
    story.wait(DAY).reopens("c1", by="ben")
    story.says("c1", waits=True)
    story.answers("c1")
    story.closes("c1")
    story.reopens("c1", undelivered="c1-2")
    story.says("c1", waits=True)
    story.calls("c2", "k1", direction="out")
    story.rings("c2", "k1", "answered", "ben", direction="out")
    assert some(count.total("first_answer", day="2026-11-03"), "waited", "answered") == [0, 0]


def test_a_reopened_case_has_a_first_answer_of_its_own(count: Counter, story: Story) -> None:
    story.opens("c1")
    story.wait(SECOND).answers("c1")
    story.closes("c1")
    story.wait(MINUTE).reopens("c1")
    story.wait(9 * SECOND).answers("c1")
    assert some(count.total("first_answer"), "waited", "answered", "mean", "longest") == [2, 2, 5_000, 9_000]


def test_picking_up_a_call_is_an_answer(count: Counter, story: Story) -> None:
    story.calls("c1", "k1")
    story.wait(7 * SECOND).rings("c1", "k1", "answered", "ben")
    assert some(count.total("first_answer", "phone"), "answered", "p50") == [1, 7_000]


def test_a_joined_conversation_goes_on_waiting_since_the_other_one(count: Counter, story: Story) -> None:
    story.opens("c1")
    story.closes("c1")
    story.reopens("c1", by="ben")
    since = story.now
    story.opens("c2")
    story.wait(5 * SECOND)
    story.tell("c1", f.ConversationJoined(conversation="c1", other="c2", address="visitor:c2", unanswered=since))
    story.closes("c2", by="", result="linked")
    story.wait(5 * SECOND).answers("c1")
    assert some(count.total("volume"), "begun") == [2]
    assert some(count.total("first_answer"), "waited", "abandoned") == [1, 1]


def test_a_joined_case_of_a_customer_is_timed_from_its_own_first_message(count: Counter, story: Story) -> None:
    story.opens("c1")
    since = story.now
    story.wait(5 * SECOND).opens("c2")
    story.tell("c1", f.ConversationJoined(conversation="c1", other="c2", address="visitor:c2", unanswered=since))
    story.closes("c2", by="", result="linked")
    story.wait(5 * SECOND).answers("c1")
    assert some(count.total("first_answer"), "waited", "answered", "p50") == [1, 1, 10_000]


# --- resolution -----------------------------------------------------------------------------------------------------


def test_resolution_is_from_beginning_to_closing_of_answered_cases(count: Counter, story: Story) -> None:
    for name, minutes in (("c1", 10), ("c2", 20), ("c3", 60)):
        start = story.now
        story.opens(name)
        story.answers(name)
        story.wait(minutes * MINUTE).closes(name)
        story.now = start
    story.opens("c4")
    story.wait(HOUR).closes("c4", result="gone")
    story.opens("c5")
    total = count.total("resolution")
    assert some(total, "closed", "resolved", "p50", "p90", "mean", "longest") == [
        4, 3, 20 * MINUTE, HOUR, 30 * MINUTE, HOUR,
    ]  # fmt: skip


def test_resolution_counts_where_it_was_closed_and_each_case_alone(count: Counter, story: Story) -> None:
    story.opens("c1")
    story.answers("c1")
    story.wait(DAY).closes("c1")
    story.wait(HOUR).reopens("c1")
    story.answers("c1")
    story.wait(HOUR).closes("c1")
    groups = count.groups("resolution", ("2026-11-02", "2026-11-03"))
    assert groups[""].series["closed"] == [0, 2]
    assert some(groups[""].total, "p50", "longest") == [HOUR, DAY]


# --- calls ----------------------------------------------------------------------------------------------------------


def test_calls_are_answered_missed_or_answered_elsewhere(count: Counter, story: Story) -> None:
    story.calls("c1", "k1")
    story.wait(5 * SECOND).rings("c1", "k1", "answered", "ben")
    story.wait(MINUTE).rings("c1", "k1", "over")
    for name, call in (("c2", "k2"), ("c3", "k3"), ("c4", "k4")):
        story.calls(name, call)
        story.wait(20 * SECOND).rings(name, call, "missed")
    story.wait(MINUTE).answers("c2", "ben")
    story.calls("c5", "k5", direction="out")
    story.rings("c3", "k6", "ringing", direction="out")
    story.wait(SECOND).rings("c3", "k6", "answered", "ben", direction="out")
    story.wait(2 * MINUTE).rings("c3", "k6", "over", direction="out")
    story.calls("c6", "k7")
    story.rings("c6", "k7", "answered")
    story.rings("c6", "k7", "over")
    story.calls("c7", "k8")
    total = count.total("calls", "phone")
    assert some(total, "calls", "answered", "missed", "elsewhere", "called_back", "dialled") == [6, 1, 3, 1, 2, 2]
    assert some(total, "missed_share", "ringing_p50", "talking") == [3 / 5, 5_000, 3 * MINUTE]


def test_a_call_that_goes_over_to_another_conversation_is_one_call(count: Counter, story: Story) -> None:
    story.calls("c1", "k1")
    story.opens("c2")
    story.tell("c2", f.ConversationJoined(conversation="c2", other="c1", address="tel:+48600100200"))
    story.wait(SECOND).rings("c2", "k1", "answered", "ben")
    assert some(count.total("calls"), "calls", "answered") == [1, 1]


# --- transfers, ratings, operators ----------------------------------------------------------------------------------


def test_transfers_count_how_conversations_leave_their_operators(count: Counter, story: Story) -> None:
    story.opens("c1")
    for operator, reason in (
        ("ben", "transferred"), ("cleo", "transferred"), ("ben", "taken"), ("cleo", "released"),
        ("ben", "unanswered"), ("cleo", "operator_lost"),
    ):  # fmt: skip
        story.assigns("c1", operator)
        story.wait(MINUTE).leaves("c1", operator, reason)
    story.assigns("c1", "ben")
    story.wait(MINUTE).closes("c1")
    story.opens("c2")
    story.closes("c2")
    names = ("transferred", "taken", "released", "unanswered", "lost", "per_case")
    assert some(count.total("transfers", "site"), *names) == [2, 1, 1, 1, 1, 3 / 2]


def test_the_last_rating_of_a_case_counts(count: Counter, story: Story) -> None:
    for name, score in (("c1", 5), ("c2", 1), ("c3", 3)):
        story.opens(name)
        story.answers(name)
        story.closes(name)
        story.rates(name, 2)
        story.rates(name, score, comment="so so")
    story.opens("c4")
    story.closes("c4")
    total = count.total("ratings")
    assert some(total, "ratings", "mean", "best", "worst", "rated_share") == [3, 9 / 15, 1, 1, 3 / 4]
    assert some(count.total("volume"), "messages") == [4]
    rated = count.total("operators", "ben")["rating"]
    assert rated == pytest.approx(9 / 15)


def test_the_load_of_operators_is_what_they_have_at_once(count: Counter, story: Story) -> None:
    story.opens("c1")
    story.assigns("c1", "ben")
    story.wait(HOUR).opens("c2")
    story.assigns("c2", "ben")
    story.wait(HOUR).answers("c1", "ben")
    story.answers("c2", "ben")
    story.closes("c1")
    story.closes("c2")
    story.wait(HOUR).opens("c3")
    story.assigns("c3", "ben")
    story.assigns("c2", "cleo")
    story.wait(HOUR).answers("c3", "ben")
    story.wait(HOUR)
    ben, cleo = count.total("operators", "ben"), count.total("operators", "cleo")
    assert some(ben, "cases", "answers", "busy", "load", "most") == [3, 3, 4 * HOUR, 5 / 4, 2]
    assert ben["answers_per_hour"] == 3 / 4
    assert ben["first_p50"] == HOUR
    assert some(cleo, "cases", "answers", "busy", "load", "most") == [0, 0, 2 * HOUR, 1, 1]
    everybody = count.total("operators")
    assert some(everybody, "cases", "busy", "load", "most") == [3, 6 * HOUR, 7 / 6, 2]


def test_busy_time_is_cut_at_the_edges_of_the_buckets(count: Counter, story: Story) -> None:
    story.now = at("2026-11-01 12:00:00")
    story.opens("c1")
    story.assigns("c1", "ben")
    story.now = at("2026-11-03 06:00:00")
    story.leaves("c1", "ben")
    groups = count.groups("operators", ("2026-11-02", "2026-11-04"))
    assert groups["ben"].series["busy"] == [DAY, 6 * HOUR, None]
    assert groups["ben"].series["handed_over"] == [0, 1, 0]
    assert groups["ben"].total["busy"] == DAY + 6 * HOUR
    hours = count.groups("operators", ("2026-11-03", "2026-11-03"), by="hour")
    assert hours["ben"].series["busy"] == [HOUR] * 6 + [None] * 18


def test_offers_that_were_not_taken_are_counted(count: Counter, story: Story) -> None:
    story.opens("c1")
    for offer, reason in (("o1", "declined"), ("o2", "no_answer"), ("o3", "withdrawn"), ("o4", "")):
        made = f.Offered(conversation="c1", offer=offer, operator="ben", units=1, epoch=1, expires=9)
        story.tell("c1", made)
        if reason:
            story.tell("c1", f.OfferEnded(conversation="c1", offer=offer, operator="ben", reason=reason))  # type: ignore[arg-type]  # told by tests
    assert some(count.total("operators", "ben"), "offered", "not_taken") == [4, 2]


def test_operators_can_be_chosen(count: Counter, story: Story) -> None:
    story.opens("c1")
    story.answers("c1", "ben")
    story.answers("c1", "cleo")
    groups = count.groups("operators", ("2026-11-02", "2026-11-02"), operators=("ben",))
    assert list(groups) == ["", "ben"]
    assert groups[""].total["answers"] == 1


def test_what_was_built_again_counts_the_same(store: Store, story: Story, count: Counter) -> None:
    story.calls("c1", "k1")
    story.wait(MINUTE).assigns("c1", "ben")
    story.rings("c1", "k1", "answered", "ben")
    story.answers("c1", "ben")
    story.closes("c1")
    story.rates("c1", 5)
    before = list(_everything(count))
    lines = {line for _, line, _ in story.records}
    whole = {line: [(seq, record) for seq, of, record in story.records if of == line] for line in lines}
    store.take_log((), story.seq, whole=whole, done=1.0)
    assert list(_everything(count)) == before


def _everything(count: Counter) -> Iterator[dict[str, Group]]:
    for name in REPORTS:
        yield count.groups(name, ("2026-11-01", "2026-11-05"))
