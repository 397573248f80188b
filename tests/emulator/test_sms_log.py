"""What an SMS leaves behind."""

import requests

from tests.emulator.support import eventually

NUMBER = "+12025550142"


def test_an_sms_is_in_its_mailbox_and_not_in_the_log(emulator):
    emulator.client("sns").publish(PhoneNumber=NUMBER, Message="the customer's words")

    def mailbox() -> dict:
        url = f"{emulator.url}/_aws/sns/sms-messages"
        return requests.get(url, timeout=10).json()["sms_messages"]

    [sms] = eventually(lambda: mailbox().get(NUMBER), "the SMS")
    assert sms["Message"] == "the customer's words"
    emulator.client("sns").list_topics()  # Its line is written after those of the SMS.
    eventually(lambda: "sns.ListTopics" in emulator.log.read_text(), "the next line of the log")
    assert NUMBER not in emulator.log.read_text()
    assert "customer's words" not in emulator.log.read_text()
