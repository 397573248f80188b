"""Keeps SMS out of the emulator's log: LocalStack writes each one there, number and words."""

import logging

from localstack.runtime import hooks

LOGGER = "localstack.services.sns.publisher"
LINE = "Delivering SMS message"


@hooks.on_infra_start()
def keep_sms_out_of_the_log() -> None:
    """Drop that line alone: the same logger tells what could not be delivered."""
    logging.getLogger(LOGGER).addFilter(lambda record: not str(record.msg).startswith(LINE))
