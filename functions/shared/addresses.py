"""Where people are reached, in the one form in which this is stored."""

from typing import Annotated

from pydantic import StringConstraints

EMail = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=254)]

Phone = Annotated[str, StringConstraints(pattern=r"^\+[1-9]\d{6,14}$")]
"""E.164: a plus sign, the country and the number."""
