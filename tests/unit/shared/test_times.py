"""The one way times are written."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.times import format_time, now, parse_time


def test_writes_utc_whatever_the_zone():
    moment = datetime(2026, 3, 2, 1, 30, tzinfo=timezone(timedelta(hours=2)))

    assert format_time(moment) == "2026-03-01T23:30:00Z"


@pytest.mark.parametrize("microsecond", [1, 499_999, 999_999])
def test_rounds_up_so_that_nothing_happens_too_early(microsecond):
    moment = datetime(2026, 12, 31, 23, 59, 59, microsecond, tzinfo=UTC)

    assert format_time(moment) == "2027-01-01T00:00:00Z"


def test_leaves_whole_seconds_as_they_are():
    assert format_time(datetime(2026, 3, 2, 9, 14, 5, tzinfo=UTC)) == "2026-03-02T09:14:05Z"


def test_refuses_a_time_without_a_zone():
    with pytest.raises(ValueError, match="time zone"):
        format_time(datetime(2026, 3, 2))


@pytest.mark.parametrize(
    "text", ["2026-03-02T09:14:05Z", "2026-03-02T09:14:05.000Z", "2026-03-02T10:14:05+01:00"]
)
def test_reads_what_it_and_aws_write(text):
    moment = parse_time(text)

    assert (format_time(moment), moment.tzinfo) == ("2026-03-02T09:14:05Z", UTC)


def test_times_compare_as_texts():
    moments = [now() + timedelta(seconds=90 * step) for step in range(-3000, 3000, 7)]

    texts = [format_time(moment) for moment in moments]

    assert texts == sorted(texts)
