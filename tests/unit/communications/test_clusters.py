"""Failures that share a cause, and the ids by which a person names them."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from communications.rules.clusters import COLUMNS, Cluster, belongs, clusters_of, values_of


def failure(number=0, **changed):
    """A failure with the columns of the index."""
    return {
        "communication_id": f"c{number}",
        "error_class": "transient",
        "error": "ServiceUnavailable",
        "template": "case_update",
        "destination": "example.com",
        "redrives": 0,
        "failed_at": f"2026-03-02T09:{number:02}:00Z",
    } | changed


def test_puts_together_what_shares_its_cause_the_largest_first():
    failures = [failure(0, error="Bounced"), failure(1), failure(2), failure(3, redrives=3)]

    large, small = clusters_of(failures, most_redrives=3)

    assert (large.count, large.redrivable, large.values["error"]) == (3, 2, "ServiceUnavailable")
    assert (large.first_at, large.last_at) == ("2026-03-02T09:01:00Z", "2026-03-02T09:03:00Z")
    assert large.sample_ids == ["c1", "c2", "c3"]
    assert (small.count, small.values["error"]) == (1, "Bounced")


@pytest.mark.parametrize("column", COLUMNS)
def test_keeps_apart_what_differs_in_any_column(column):
    assert len(clusters_of([failure(0), failure(1, **{column: "other"})], 3)) == 2


def test_shows_three_examples_at_most():
    [cluster] = clusters_of([failure(number) for number in range(9)], 3)

    assert (cluster.count, len(cluster.sample_ids)) == (9, 3)


def test_what_has_no_template_is_a_cluster_of_its_own():
    own = failure()
    del own["template"]

    [cluster] = clusters_of([own], 3)

    assert cluster.template is None
    assert belongs(own, values_of(cluster.cluster_id))
    assert not belongs(failure(), values_of(cluster.cluster_id))


def test_gives_the_same_order_whatever_order_the_failures_have():
    failures = [failure(number, destination=f"d{number}") for number in range(5)]

    ids = [[one.cluster_id for one in clusters_of(some, 3)] for some in (failures, failures[::-1])]

    assert ids[0] == ids[1]


def test_nothing_has_no_clusters():
    assert clusters_of([], 3) == []


PRINTABLE = st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), max_size=20)


@given(st.lists(PRINTABLE, min_size=4, max_size=4))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_an_id_gives_back_what_it_stands_for(texts):
    values = dict(zip(COLUMNS, texts, strict=True))

    cluster_id = Cluster(values).cluster_id

    assert values_of(cluster_id) == values
    assert cluster_id.isascii()
    assert not set("+/=") & set(cluster_id)


@given(st.text() | st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode()))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_no_other_text_does_worse_than_to_be_refused(text):
    with pytest.raises(ValueError, match="no such cluster"):
        values_of(text)


@pytest.mark.parametrize(
    "content",
    [
        *([], ["a"] * 3, ["a"] * 5, ["a", "b", "c", 4], {"a": 1}, "abcd", None),
        *(["a", "b", "c", f"d{unprintable}"] for unprintable in ("\n", "\0", "\x1b", "\ud800")),
    ],
)
def test_json_of_another_form_or_of_no_text_is_no_cluster(content):
    text = base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    with pytest.raises(ValueError, match="no such cluster"):
        values_of(text)


def test_json_that_is_nested_without_end_is_no_cluster():
    text = base64.urlsafe_b64encode(b"[" * 100_000).decode().rstrip("=")

    with pytest.raises(ValueError, match="no such cluster"):
        values_of(text)
