import pytest

from post_call.rules.recording_names import MAX_LENGTH, RecordingNames


def test_reads_all_that_the_name_says():
    name = "Orders_GUID_42_AGENT_DanaM_CUST_C1001_DT_2026-11-02T09-30-00_Stereo.flac"

    assert RecordingNames().read(f"recordings/2026/{name}") == {
        "agent": "DanaM",
        "customer_id": "C1001",
        "guid": "42",
        "started_at": "2026-11-02T09:30:00Z",
    }


def test_reads_a_name_without_a_customer():
    assert RecordingNames().read("Auto0_GUID_000_AGENT_ChrisL_DT_2025-02-19T06-01-22_Mono.wav") == {
        "agent": "ChrisL",
        "guid": "000",
        "started_at": "2025-02-19T06:01:22Z",
    }


@pytest.mark.parametrize("key", ["call.wav", "", "recordings/", "AGENTS_x.wav", "AGENT_.wav"])
def test_a_name_that_says_nothing_gives_nothing(key):
    assert RecordingNames().read(key) == {}


def test_folders_are_no_part_of_the_name():
    assert RecordingNames().read("AGENT_Dana/call.wav") == {}


@pytest.mark.parametrize(
    ("day", "utc"),
    [
        ("2026-01-15T09-30-00", "2026-01-15T08:30:00Z"),
        ("2026-07-15T09-30-00", "2026-07-15T07:30:00Z"),
    ],
)
def test_reads_the_names_time_in_the_contact_centres_zone(day, utc):
    names = RecordingNames(time_zone="Europe/Berlin")

    assert names.read(f"DT_{day}.wav") == {"started_at": utc}


def test_reads_patterns_and_time_formats_of_ones_own():
    names = RecordingNames(
        [r"^(?P<agent>[a-z]+)-(?P<started_at>\d{14})"], time_format="%Y%m%d%H%M%S"
    )

    assert names.read("dana-20261102093000.wav") == {
        "agent": "dana",
        "started_at": "2026-11-02T09:30:00Z",
    }


def test_tags_override_metadata_and_metadata_overrides_the_name():
    assert RecordingNames().read(
        "GUID_1_AGENT_Name_CUST_Name.wav",
        user_metadata={"agent": "Meta", "customer-id": "Meta", "agent-channel": "0"},
        tags={"Agent": "Tag", "agent-channel": "1", "department": "ignored"},
    ) == {"guid": "1", "agent": "Tag", "customer_id": "Meta", "agent_channel": 1}


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2026-11-02T09:30:00Z", "2026-11-02T09:30:00Z"),
        ("2026-11-02T09:30:00+02:00", "2026-11-02T07:30:00Z"),
        ("2026-11-02 09:30:00", "2026-11-02T14:30:00Z"),
    ],
)
def test_reads_the_metadatas_time_with_its_own_offset_or_in_the_zone(written, utc):
    names = RecordingNames(time_zone="America/New_York")

    assert names.read("x.wav", user_metadata={"started-at": written}) == {"started_at": utc}


def test_values_are_bounded_and_without_control_characters():
    read = RecordingNames().read("x.wav", tags={"agent": " Da\x00na\n ", "guid": "9" * 500})

    assert read == {"agent": "Dana", "guid": "9" * MAX_LENGTH}


def test_an_empty_tag_overrides_nothing():
    assert RecordingNames().read("AGENT_Dana.wav", tags={"agent": "  "}) == {"agent": "Dana"}


@pytest.mark.parametrize("pattern", ["(?P<agent>", "(?P<colour>.+)", "AGENT_(.+)"])
def test_a_bad_pattern_is_refused_at_once(pattern):
    with pytest.raises(ValueError, match="file name pattern"):
        RecordingNames([pattern])


def test_an_unknown_time_zone_is_refused_at_once():
    with pytest.raises(ValueError, match="no time zone 'Mars/Olympus'"):
        RecordingNames(time_zone="Mars/Olympus")


def test_a_day_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="'2026-02-30T09-30-00' is no date"):
        RecordingNames().read("DT_2026-02-30T09-30-00.wav")


@pytest.mark.parametrize(
    ("tags", "complaint"),
    [
        ({"started-at": "yesterday"}, "started-at 'yesterday'"),
        ({"agent-channel": "left"}, "0 or 1"),
    ],
)
def test_a_bad_attribute_is_refused(tags, complaint):
    with pytest.raises(ValueError, match=complaint):
        RecordingNames().read("x.wav", tags=tags)


def test_a_valid_tag_overrides_an_impossible_time_in_the_name():
    metadata = RecordingNames().read(
        "recordings/A_DT_2026-13-40T10-00-00_Stereo.wav",
        tags={"started-at": "2026-11-02T10:00:00Z"},
    )

    assert metadata["started_at"] == "2026-11-02T10:00:00Z"
