"""Turn one chunk of one channel into words with times and confidences."""

from dataclasses import asdict
from typing import TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from post_call.audio.speech import transcribe
from post_call.model import S3Pointer
from post_call.work_documents import Work, work_pointer
from shared.clients import s3, transient_failures
from shared.documents import read_json, write_json
from shared.observability import logger, step


class Input(TypedDict):
    call_id: str
    work: Work
    chunk: int


class Output(TypedDict):
    words: S3Pointer


@step
def handler(event: Input, context: LambdaContext) -> Output:
    work, number = event["work"], event["chunk"]
    spans: list[tuple[int, int]] = read_json(**work_pointer(work, f"chunks/{number}.spans.json"))[
        "spans"
    ]
    words = transcribe(read_audio(work_pointer(work, f"chunks/{number}.flac")), spans)
    pointer = work_pointer(work, f"chunks/{number}.words.json")
    write_json(**pointer, document=[asdict(word) for word in words])
    logger.info("chunk transcribed", chunk=number, words=len(words))
    return {"words": pointer}


def read_audio(pointer: S3Pointer) -> bytes:
    with transient_failures():
        return s3().get_object(Bucket=pointer["bucket"], Key=pointer["key"])["Body"].read()
