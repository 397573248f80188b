"""How long tests wait for the cloud."""

import os

SECONDS_TO_WAIT = 240.0 if os.environ.get("AFTERCALL_ENGINE", "embedded") == "embedded" else 900.0
"""A deadline, not an expectation: two shared processors may have much to do at once, and a function
may be a container, which takes long to start.
"""
