"""Handing a message to its provider, once: Amazon SES for e-mail, Amazon SNS for SMS.

Neither takes an idempotency key, so nothing here is ever repeated: neither by the client, which is
told so, nor where a reply is lost. Tags on each e-mail name the communication and the attempt, and
SES reports under them what became of it.
"""

import os

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
)

from communications.rules.communication import Communication
from communications.rules.email_events import ATTEMPT_TAG, COMMUNICATION_TAG
from communications.rules.send_outcomes import (
    Accepted,
    Failed,
    Outcome,
    ReplyLost,
    TryAgain,
    refusal,
)
from communications.rules.templates import TemplateInvalid, Text, text_of
from communications.suppressions_table import get_suppression
from shared.clients import error_code, ses, sms, transient_failures
from shared.errors import TransientError

SENDER_EMAIL = os.environ["SENDER_EMAIL"]
CONFIGURATION_SET_NAME = os.environ["CONFIGURATION_SET_NAME"]

_NEVER_ASKED = (
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
)
"""Failures that come before the first byte of a request."""


def obstacle_to(communication: Communication) -> Outcome | None:
    """Why a communication is not to be sent: its recipient wants nothing more, its text is broken,
    or none of this can be found out just now. None where nothing is in the way.
    """
    try:
        suppression = get_suppression(communication.recipient)
        if suppression:
            reason = suppression["reason"]
            return Failed("Suppressed", f"The recipient is suppressed for this reason: {reason}.")
        if communication.channel == "sms" and has_opted_out(communication.recipient):
            return Failed("OptedOut", "The recipient has answered STOP to an SMS.")
        text_of(communication)
    except TemplateInvalid as error:
        return Failed("TemplateInvalid", str(error))
    except TransientError as error:
        return TryAgain(error.code, "The recipient could not be looked up.")
    return None


def has_opted_out(phone: str) -> bool:
    with transient_failures():
        return sms().check_if_phone_number_is_opted_out(phoneNumber=phone)["isOptedOut"]


def send(communication: Communication) -> Outcome:
    """Hand a claimed communication to its provider."""
    text = text_of(communication)
    try:
        if communication.channel == "email":
            return send_email(communication, text)
        return send_sms(communication.recipient, text)
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        message = error.response.get("Error", {}).get("Message", "")
        return refusal(error_code(error), status, message)
    except _NEVER_ASKED as error:
        return TryAgain(type(error).__name__, "The provider was not reached.")
    except BotoCoreError as error:
        return ReplyLost(type(error).__name__, "The connection ended before the reply.")


def send_email(communication: Communication, text: Text) -> Outcome:
    """Hand an e-mail to SES."""
    reply = ses().send_email(
        Source=SENDER_EMAIL,
        Destination={"ToAddresses": [communication.recipient]},
        Message={
            "Subject": {"Data": text.subject, "Charset": "UTF-8"},
            "Body": {"Text": {"Data": text.body, "Charset": "UTF-8"}},
        },
        ConfigurationSetName=CONFIGURATION_SET_NAME,
        Tags=[
            {"Name": COMMUNICATION_TAG, "Value": communication.communication_id},
            {"Name": ATTEMPT_TAG, "Value": str(communication.attempts)},
        ],
    )
    return Accepted(reply["MessageId"])


def send_sms(phone: str, text: Text) -> Outcome:
    """Hand an SMS to SNS."""
    reply = sms().publish(
        PhoneNumber=phone,
        Message=text.body,
        MessageAttributes={
            "AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Transactional"}
        },
    )
    return Accepted(reply["MessageId"])
