"""The errors a workflow can meet, by what it should do about them.

Step Functions matches an error by its exact bare class name and knows nothing of inheritance, so
each class here is part of the contract with statemachine/*.asl.json:

- `TransientError`: try again later; the retrier of every Task names it.
- `AmbiguousError`: the effect may have happened; verify before anything else.
- every other class: permanent, met by name or by `States.ALL`; trying again cannot help.
"""


class TransientError(Exception):
    """Something outside failed in a way that passes: a throttle, a 5xx, a broken connection.

    Always raised as exactly this class; the case goes in front of the message as a code.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class AmbiguousError(Exception):
    """A side effect may or may not have happened and the reply was lost."""


class RecordingEmpty(Exception):
    """The recording's object has no bytes, or its audio has no frames."""


class RecordingTooLarge(Exception):
    """The recording's object is larger than the configured limit."""


class RecordingTooLong(Exception):
    """The recording plays longer than the configured limit."""


class RecordingHeaderless(Exception):
    """The name promises audio with a header, and the bytes start without one."""


class RecordingNotAudio(Exception):
    """The bytes are no audio in a format that the decoder knows."""


class RecordingUnsupported(Exception):
    """The recording is audio of a kind that this system has no use for, such as six channels."""


class RecordingTruncated(Exception):
    """The header promises more audio than the object holds, or decoding breaks off."""


class RecordingMissing(Exception):
    """The object is gone, or was replaced by another version since the event."""


class SpeechEngineMissing(Exception):
    """The speech engine, or its model, is not in the function's package."""


class ClaimLost(Exception):
    """Another execution owns the call by now: what this one made must not be stored."""


class RecordingMetadataInvalid(Exception):
    """A recording's name, metadata or tags say something that cannot be, such as month 13."""


class CallNotFailed(Exception):
    """A call was to be started again that has not failed, or that nobody knows."""


class RedriveRefused(Exception):
    """The API refused to send a communication again, for a reason that holds for all of them."""


class RedriveUnknown(Exception):
    """A redrive's run is not in its table."""


class ServiceTokenRefused(Exception):
    """The issuer gives our own client no token: its secret, or what it may ask for, is wrong."""


class StorageRefused(Exception):
    """A customer's storage will not take what it is given, however often it is tried.

    A code goes in front of the message, which tells a person what to do and names no file.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
