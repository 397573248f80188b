"""What an AWS error reply says about the message: went out, did not, or nobody knows."""

import pytest

from communications.rules.send_outcomes import (
    PASSING,
    THROTTLES,
    Failed,
    ReplyLost,
    Throttled,
    TryAgain,
    refusal,
)


@pytest.mark.parametrize("code", sorted(THROTTLES))
@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_a_throttle_is_one_whatever_its_status(code, status):
    assert refusal(code, status, "any text") == Throttled(code, "any text")


def test_too_many_requests_is_a_throttle_by_its_status_alone():
    assert refusal("Anything", 429, "any text") == Throttled("Anything", "any text")


@pytest.mark.parametrize("code", sorted(PASSING))
@pytest.mark.parametrize("status", [400, 403, 503])
def test_a_refusal_that_passes_is_tried_again(code, status):
    assert refusal(code, status, "any text") == TryAgain(code, "any text")


@pytest.mark.parametrize(
    "code", ["AccountSendingPausedException", "ConfigurationSetSendingPausedException"]
)
def test_a_pause_of_all_sending_passes(code):
    assert refusal(code, 400, "any text") == TryAgain(code, "any text")


def test_an_unavailable_service_that_says_so_took_nothing_on():
    assert refusal("ServiceUnavailable", 503, "any text") == TryAgain(
        "ServiceUnavailable", "any text"
    )


@pytest.mark.parametrize("code", ["503", "Unknown", "Anything"])
def test_a_503_in_nobodys_name_proves_nothing(code):
    """Something on the way may answer so when the provider has taken the message on."""
    assert refusal(code, 503, "any text") == ReplyLost(code, "any text")


@pytest.mark.parametrize("status", [500, 502, 504])
@pytest.mark.parametrize("code", ["InternalFailure", "InternalError", "Anything"])
def test_a_server_error_proves_nothing(code, status):
    assert refusal(code, status, "any text") == ReplyLost(code, "any text")


@pytest.mark.parametrize(
    "code",
    [
        "MessageRejected",
        "MailFromDomainNotVerifiedException",
        "InvalidParameterValue",
        "InvalidParameter",
        "AccessDenied",
    ],
)
@pytest.mark.parametrize("status", [400, 403])
def test_any_other_refusal_is_for_good(code, status):
    assert refusal(code, status, "any text") == Failed(code, "any text")
