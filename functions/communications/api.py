"""The HTTP API of communications: composing them, and handling those that failed.

Every route names the roles that may use it; shared.rest verifies the caller before anything else.
"""

import hashlib
import uuid
from os import environ
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from communications import failures
from communications.api_models import (
    ClusterPage,
    CommunicationPage,
    CommunicationView,
    Discard,
    Queued,
    RedrivePage,
    RedriveRequest,
    RedriveView,
    Resolution,
    RetryRequest,
    Suppression,
    SuppressionPage,
    SuppressionRequest,
)
