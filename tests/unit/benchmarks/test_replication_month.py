"""What a measured month asks for, and how it is looked at without a cloud."""

import threading
import time
from collections import Counter
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from benchmarks import replication_others
from benchmarks.replication_month import OF_OTHERS, RATES, Month
from benchmarks.replication_night import ZONE, Night, write_zone
from benchmarks.replication_others import LOCK_SECONDS, Others, seconds_between
from benchmarks.replication_run import Run
from benchmarks.replication_table import (
    PROVIDER_COLUMNS,
    WIDTHS,
    print_run,
    print_runs,
    provider_row,
)
from benchmarks.replication_use import Use
from benchmarks.replication_watch import Sample, Watch
from replication.rules.periods import Period

PERIOD = Period.parse("2027-01")


class Simulated:
    """As much of a simulator as the benchmark looks at."""

    def __init__(self, tree=None, **stats):
        self.files, self.limits, self.said = tree or {}, [], stats
        self.limits_set, self.locks, self.was_locked = [], [], threading.Event()

    def tree(self):
        return self.files

    def stats(self):
        return {"requests": 0, "by_status": {}, "throttled_by_scope": {}} | self.said

    def set_limits(self, changes):
        self.limits_set.append(changes)
        self.limits += changes.get("limits", [])

    def hold_lock(self, account, path, seconds):
        self.locks.append((account, path))
        self.was_locked.set()


@pytest.fixture
def month():
    rates = {"dropbox": RATES["dropbox"], "drive": RATES["drive"]}
    return Month(None, rates, number=4, entities_each=2, documents_each=4, seed=1)


def arrived(month, customer_id):
    wanted = month.wanted(customer_id, PERIOD)
    return {path: {"size": 1, "sha256": digest} for path, digest in wanted.items()}


# --- what is there in the end


def test_what_others_have_put_beside_ours_is_nobodys_fault(month):
    trees = {one: arrived(month, one) | {"": {"sha256": None}} for one in month.customers}
    trees["m000"] |= {
        OF_OTHERS: {"sha256": None},
        f"{OF_OTHERS}/Photo 1.jpg": {"sha256": "0"},
        "Left/behind.txt": {"sha256": "0"},
    }
    simulators = {
        own: Simulated({one: trees[one] for one in trees if month.customers[one] == own})
        for own in month.rates
    }

    assert month.faults(simulators, PERIOD) == {"missing": 0, "extra": 1, "different": 0}


def test_the_next_document_is_the_first_one_of_each_entity_that_has_its_folders(month):
    there = arrived(month, "m000")
    documents = sorted(path for path, one in there.items() if one["sha256"])
    assert month.next_documents("m000", there, PERIOD) == []
    assert month.next_documents("m000", {}, PERIOD) == []
    for path in documents:
        del there[path]

    following = month.next_documents("m000", there, PERIOD)

    assert len(following) == 2
    assert set(following) <= set(documents)
    assert len({path.partition("/")[0] for path in following}) == 2


def test_a_quota_of_all_is_for_all_and_each_accounts_for_the_one_with_most_to_do(month):
    provider, account = sorted(month.needs("drive", PERIOD), key=lambda need: not need.of_all)
    [dropbox] = month.needs("dropbox", PERIOD, others=0.05)

    assert provider.units == 50 * month.requests("drive", PERIOD)
    assert provider.units / 3 <= account.units < provider.units
    assert (provider.rate, account.rate, dropbox.rate) == (250, 37.5, 0.75)
    assert (provider.bucket, account.bucket, dropbox.bucket) == (500, 200, 4)
    assert (provider.others, dropbox.others) == (0.0, 0.05)


# --- others


def test_others_leave_most_of_a_quota_and_let_go_before_it_is_full_again():
    assert seconds_between(0.5) == 20
    assert seconds_between(0.1) == pytest.approx(100)
    assert LOCK_SECONDS < 4 / 0.5


def test_others_lock_the_document_that_is_next(monkeypatch):
    monkeypatch.setattr(replication_others, "SECONDS_BETWEEN_FILES", 0.01)
    month = Month(None, {"webdav": {"server": 5}}, 1, entities_each=1, documents_each=4, seed=1)
    there = {path: one for path, one in arrived(month, "m000").items() if not one["sha256"]}
    simulated = Simulated({"m000": there}, locked=3)
    others = Others(month, {"webdav": simulated}, PERIOD)

    with others.running():
        assert simulated.was_locked.wait(5)

    assert {path for _, path in simulated.locks} == set(month.next_documents("m000", there, PERIOD))
    assert simulated.limits_set == [{"lock": "file"}]
    assert "3 requests of ours met one" in others.notes()[0]


def test_what_others_ask_for_is_not_ours():
    stats = {"requests": 30, "by_status": {"200": 22, "429": 8}}
    watch = Watch({"dropbox": Simulated(**stats)})
    watch.foreign["dropbox"] = Counter(requests=10, refused=3)

    watch.look()

    [sample] = watch.samples["dropbox"]
    assert (sample.requests, sample.refused) == (20, 5)


@pytest.mark.parametrize(("provider", "refused"), [("box", 5), ("dropbox", 3)])
def test_a_lock_that_is_met_is_a_refusal_once(provider, refused):
    stats = {"requests": 30, "by_status": {"200": 25, "409": 2, "429": 3}, "locked": 2}
    watch = Watch({provider: Simulated(**stats)})

    watch.look()

    assert watch.samples[provider][0].refused == refused


# --- the night


def test_a_day_begins_in_the_zone_when_it_is_told_to(tmp_path):
    for hours in (0.01, 5, 13, 23.9):
        midnight = round(time.time() + 3600 * hours)
        write_zone(tmp_path / ZONE, midnight)
        with (tmp_path / ZONE).open("rb") as file:
            zone = ZoneInfo.from_file(file, key=ZONE)

        begins = datetime.fromtimestamp(midnight, zone)
        now = datetime.now(zone)

        assert begins.time().isoformat() == "00:00:00"
        assert begins.date() == now.date() + timedelta(days=1)


def test_the_night_falls_when_half_has_arrived():
    drive = Simulated({"m000": {"a": {}, "b": {}}, "m001": {"c": {}}})
    night = Night(Watch({"drive": drive}, began=time.time() - 10), wanted=8, seconds=100)
    night.look()
    assert (drive.limits, night.fell_at) == ([], None)
    assert "all was over before" in night.notes()[0]
    drive.files["m001"]["d"] = {}

    night.look()
    drive.files["m001"]["e"] = {}
    night.look()
    night.begin_next_day()

    assert night.fell_at == pytest.approx(10, abs=1)
    assert night.left == 4
    assert [limit["units"] for limit in drive.limits] == [1, None]


def test_the_night_falls_with_less_when_it_gets_late():
    drive = Simulated({"m000": {"a": {}}})
    night = Night(Watch({"drive": drive}, began=time.time() - 31), wanted=8, seconds=100)

    night.look()

    assert night.fell_at == pytest.approx(31, abs=1)
    assert night.left == 7


def test_what_the_api_says_at_night_is_shown():
    drive = Simulated(throttled_by_scope={"day": 2})
    watch = Watch({"drive": drive})
    watch.refusals["drive"] = (61.0, "it goes on by itself then.")
    night = Night(watch, wanted=9, seconds=100, arrived=5, fell_at=40.0)

    played, told = night.notes()

    assert "refused in between: 2" in played
    assert "5 of 9" in played
    assert told == "the API said after 61 s: it goes on by itself then."


def test_the_former_design_has_no_morning():
    watch = Watch({"drive": Simulated(throttled_by_scope={"day": 40})})
    night = Night(watch, 9, 100, has_morning=False, arrived=5, fell_at=40.0)

    [played] = night.notes()

    assert played.endswith("no next day is played; requests refused from then on: 40")


# --- what is printed


@pytest.fixture
def measured():
    def make(**changes):
        watch = Watch({})
        watch.samples = {
            "dropbox": [Sample(10.0, 40, 0), Sample(60.0, 110, 10)],
            "drive": [Sample(10.0, 0, 0)],
        }
        values = {
            "design": "after", "scenario": "locked", "wall": 66.0, "watch": watch,
            "bounds": {"dropbox": 60.0, "drive": 0.0}, "needed": {"dropbox": 95, "drive": 0},
            "limits": {}, "requests": 110, "refused": 10, "errors": Counter(), "failed": 0,
            "use": Use(), "faults": {"missing": 0}, "notes": ["so it was"],
            "finished": {"dropbox": 66.0}, "forecast_errors": {"dropbox": {"first": -0.1}},
        }  # fmt: skip
        return Run(**values | changes)

    return make


def test_a_provider_has_a_row_with_what_it_served_and_how_long_that_took(measured):
    row = dict(zip(PROVIDER_COLUMNS, provider_row(measured(), "dropbox"), strict=True))

    assert row == {
        "provider": "Dropbox", "needed": "95", "served": "100", "refused": "10", "share": "9.09%",
        "bound": "60 s", "first": "0.2 s", "5 %": "1.2 s", "95 %": "55.8 s", "last": "60.0 s",
        "finished": "66 s", "ratio": "1.100", "1st forecast": "-10.0%", "half-way": "-",
    }  # fmt: skip


def test_a_row_has_a_cell_for_each_column_also_where_nothing_was_asked(measured):
    row = provider_row(measured(finished={}, forecast_errors={}), "drive")

    assert len(row) == len(PROVIDER_COLUMNS) == len(WIDTHS)
    assert set(row[6:]) == {"-"}


def test_totals_stand_side_by_side_and_providers_above(measured, month, capsys):
    runs = [measured(design="before", failed=3), measured()]
    for run in runs:
        print_run(run)
    print_runs(runs, month)

    lines = capsys.readouterr().out.splitlines()
    [wall] = [line for line in lines if line.startswith("wall time")]
    assert wall.split() == ["wall", "time", "66", "s,", "given", "up", "66", "s"]
    assert len([line for line in lines if line.startswith("Dropbox")]) == 2
    assert lines.count("  so it was") == 2
