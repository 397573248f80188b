"""The words of a profile, filled in."""

import json
import math
import time
from email.utils import formatdate
from xml.sax.saxutils import escape

from local.providers.messages import Response
from local.providers.profiles import Reply


def worded(reply: Reply, wait: float = 1, **fields: str) -> Response:
    """An answer; `wait` is how many seconds it may ask for, `fields` what `{...}` stands for."""
    seconds = max(1, math.ceil(round(wait, 6)))  # Or 600 seconds would at times be 601.
    body = reply.body.replace('"{wait}"', str(seconds))
    for name, value in fields.items():
        json_like = reply.content_type == "application/json"
        body = body.replace(f"{{{name}}}", json.dumps(value)[1:-1] if json_like else escape(value))
    headers = {"Content-Type": reply.content_type, **reply.headers}
    if reply.retry_after == "seconds":
        headers["Retry-After"] = str(seconds)
    elif reply.retry_after == "date":  # A date has whole seconds: never one that is too early.
        headers["Retry-After"] = formatdate(math.ceil(time.time() + wait), usegmt=True)
    return Response(reply.status, body.encode(), headers)
