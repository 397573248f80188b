"""A path through a state machine on which every task is mocked, and what comes of it.

What states throw and answer is that of the case of the same name in tests/workflow/mocks.json,
where there is one: cases that the workflow tests mix with real functions are taken here with
everything mocked. A case may add to it, or be of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.mocks import MOCKS, cause_of, function_states, response


@dataclass(frozen=True)
class Case:
    """A case of a machine.

    `path`: the states in the order in which they are entered, as `tests/mocked/paths.py` writes
    them. `output`: what the output has besides what it was given. `blamed`: each failed state that
    `Record Failure` is told of, with its error; the execution then ends with what `Record Failure`
    answers, unless `error` (and `cause`) say otherwise. `given`, `throws`, `answers`: what differs
    from the machine's usual input, and from the shared case. `parameters`: those of the template
    that have another value than the default. `cannot`: the engines that cannot take this path,
    each with the reason.
    """

    machine: str
    name: str
    path: str
    output: Mapping[str, Any] = field(default_factory=dict)
    blamed: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None
    cause: str | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    throws: Mapping[str, Sequence[str]] = field(default_factory=dict)
    answers: Mapping[str, Any] = field(default_factory=dict)
    cannot: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.machine}-{self.name}"

    @property
    def created_as(self) -> str:
        """The machine's name at the engine: one with other parameters has a name of its own."""
        return "_".join([self.machine, *(f"with_{value}" for value in self.parameters.values())])

    @property
    def failure(self) -> tuple[str, str] | None:
        """The error and the cause with which the execution ends, None where it succeeds."""
        if self.error is not None:
            return self.error, self.cause or cause_of(self.error)
        if self.blamed:
            recorded = self.all_answers["Record Failure"]
            return recorded["error"], recorded["cause"]
        return None

    @property
    def all_throws(self) -> dict[str, Sequence[str]]:
        return {**self._shared.get("throws", {}), **self.throws}

    @property
    def all_answers(self) -> dict[str, Any]:
        answers = MOCKS[self.machine]["answers"] | self._shared.get("answers", {})
        return {**answers, **self.answers}

    @property
    def _shared(self) -> dict[str, Any]:
        found: dict[str, Any] = MOCKS[self.machine]["cases"].get(self.name, {})
        return found

    def responses(self) -> dict[str, dict[str, Any]]:
        """The mocked response of each state."""
        functions = function_states(self.machine)
        return {
            state: response(answer, self.all_throws.get(state, []), of_function=state in functions)
            for state, answer in self.all_answers.items()
        }
