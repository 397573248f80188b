"""What a simulator was asked and what it answered, counted."""

import threading
import time
from collections import Counter
from typing import Any

_WINDOWS = (1, 10, 60)


class Stats:
    """Counts since the process began, or since they were last cleared. Threads may share it."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self.clear()

    def clear(self) -> None:
        with self._mutex:
            self._kinds: Counter[str] = Counter()
            self._statuses: Counter[str] = Counter()
            self._answers: Counter[str] = Counter()
            self._accounts: Counter[str] = Counter()
            self._throttled: Counter[str] = Counter()
            self._seconds: Counter[int] = Counter()
            self._tokens: Counter[str] = Counter()
            self._locked = 0
            self._first = self._last = 0.0

    def note(self, kind: str, account: str, status: str, throttled: str, locked: bool) -> None:
        """Count an answer. `status` is "reset" where there was none; `throttled` names a scope."""
        now = time.time()
        with self._mutex:
            self._kinds[kind] += 1
            self._statuses[status] += 1
            self._answers[f"{kind} {status}"] += 1
            self._accounts[account] += 1
            self._seconds[int(now)] += 1
            self._locked += locked
            if throttled:
                self._throttled[throttled] += 1
            self._first, self._last = self._first or now, now

    def note_token(self, status: str) -> None:
        """Count an answer to a request for a token, apart from all others."""
        with self._mutex:
            self._tokens[status] += 1

    def shown(self) -> dict[str, Any]:
        with self._mutex:
            return {
                "requests": self._kinds.total(),
                "by_kind": dict(self._kinds),
                "by_status": dict(self._statuses),
                "by_kind_and_status": dict(self._answers),
                "by_account": dict(self._accounts),
                "throttled": self._throttled.total(),
                "throttled_by_scope": dict(self._throttled),
                "locked": self._locked,
                "token_requests": dict(self._tokens),
                "first_request_at": self._first or None,
                "last_request_at": self._last or None,
                "peak_requests": {str(seconds): self._peak(seconds) for seconds in _WINDOWS},
            }

    def _peak(self, window: int) -> int:
        """The most requests within so many whole seconds."""
        return max(
            (
                sum(self._seconds[second] for second in range(last - window + 1, last + 1))
                for last in list(self._seconds)
            ),
            default=0,
        )
