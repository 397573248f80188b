"""A wrong setting stops the start and is named."""

import sys

import pytest
from aftercall_emulator.settings import (
    MAX_PROCESSES_VARIABLE,
    PYTHON_VARIABLE,
    SettingsError,
    read_settings,
)


@pytest.mark.parametrize("python", ["", "/nowhere/python", "/bin/false"])
def test_names_the_variable_when_the_interpreter_is_missing_or_useless(python):
    with pytest.raises(SettingsError, match=PYTHON_VARIABLE):
        read_settings({PYTHON_VARIABLE: python})


def test_says_when_the_interpreter_lacks_the_runtime_client():
    with pytest.raises(SettingsError, match="awslambdaric is not installed"):
        read_settings({PYTHON_VARIABLE: sys.executable})


@pytest.mark.parametrize("bound", ["0", "-1", "many"])
def test_refuses_a_bound_that_is_no_positive_number(bound, lambda_settings):
    environment = {PYTHON_VARIABLE: str(lambda_settings.python), MAX_PROCESSES_VARIABLE: bound}

    with pytest.raises(SettingsError, match=MAX_PROCESSES_VARIABLE):
        read_settings(environment)


def test_knows_which_lambda_runtime_the_interpreter_is(lambda_settings):
    assert lambda_settings.runtime == "python3.13"
