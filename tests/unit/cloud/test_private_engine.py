"""An engine of our own leaves the machine as it was, or says why it cannot run."""

import pytest

from local.containers import check, private_engine
from local.containers.private_engine import NoEngine, former_rules, mirror_among

FILTER = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [1:2]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
COMMIT
"""
WITH_DOCKER = """*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
COMMIT
"""


def test_rules_that_were_there_come_back_and_a_new_table_is_emptied():
    assert former_rules(FILTER, WITH_DOCKER) == (
        FILTER + "*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n"
    )


def test_a_machine_without_rules_has_none_afterwards():
    assert former_rules("", WITH_DOCKER) == (
        "*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n"
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
    )


def test_nobody_but_root_starts_an_engine(monkeypatch):
    monkeypatch.setattr(private_engine.os, "geteuid", lambda: 1000)

    with pytest.raises(NoEngine, match="takes root on Debian"), private_engine.private_engine():
        pytest.fail("it started")


def test_a_check_without_an_engine_is_skipped_and_not_passed(monkeypatch, capsys):
    monkeypatch.setattr(private_engine.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(check.sys, "argv", ["check"])

    assert check.main() == 0
    said = capsys.readouterr().out
    assert "SKIPPED, nothing was tested: an engine of our own takes root on Debian" in said
    assert "passed" not in said


def test_packages_come_from_where_the_machines_own_do():
    security, own = "http://any.example/debian-security/", "http://any.example/debian/"

    assert mirror_among([security, own, own]) == own


def test_says_where_to_look_if_apt_knows_no_archive():
    with pytest.raises(NoEngine, match="apt knows no archive"):
        mirror_among([])
