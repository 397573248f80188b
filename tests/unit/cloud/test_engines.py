"""What differs where the engine is another: addresses, parameters, and who starts it."""

import json
import os
from types import SimpleNamespace

import pytest

from local.cloud import deployment, engines, sam_local, settings
from local.cloud.client import Cloud
from local.cloud.settings import CloudError, Instance, instance_on
from local.providers import storages

DEV = Instance("dev")


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "ROOT", tmp_path)


def test_an_engine_in_containers_has_a_folder_of_its_own_name():
    assert instance_on("embedded", DEV) is DEV
    assert instance_on("localstack", DEV).folder.name == "localstack"
    assert instance_on("container", DEV).folder.name == "container"


def test_functions_find_a_process_where_it_was_started_and_a_container_by_its_name():
    DEV.folder.mkdir(parents=True)
    DEV.process_file.write_text(json.dumps({"pid": 1, "endpoint": "http://127.0.0.1:1234"}))

    assert DEV.functions_endpoint == "http://127.0.0.1:1234"
    assert instance_on("container", DEV).functions_endpoint == "http://embedded:4566"


def test_functions_find_nothing_where_nothing_was_started():
    with pytest.raises(CloudError, match="does not run"):
        _ = DEV.functions_endpoint


def test_only_functions_in_containers_are_told_whom_to_trust_without_tls():
    DEV.folder.mkdir(parents=True)
    DEV.process_file.write_text(json.dumps({"pid": 1, "endpoint": "http://127.0.0.1:1234"}))

    assert deployment.own_address(DEV)["PlainHttpHosts"] == ""
    in_containers = deployment.own_address(instance_on("localstack", DEV))
    assert in_containers["PlainHttpHosts"] == "localstack,nextcloud,object-storage"
    assert in_containers["TokenIssuer"] == "http://localstack:4566/_aftercall/issuer"


def test_outputs_are_urls_that_this_machine_reaches(monkeypatch):
    stack = {
        "Parameters": [
            {"ParameterKey": "EmulatorEndpoint", "ParameterValue": "http://localstack:4566"}
        ],
        "Outputs": [
            {"OutputKey": "ApiBaseUrl", "OutputValue": "http://localstack:4566/_aws/any"},
            {"OutputKey": "TicketsTableName", "OutputValue": "any-table"},
        ],
    }
    cloudformation = SimpleNamespace(describe_stacks=lambda **_: {"Stacks": [stack]})
    monkeypatch.setattr(deployment, "client", lambda *_: cloudformation)

    assert deployment.stack_outputs("http://127.0.0.1:4999") == {
        "ApiBaseUrl": "http://127.0.0.1:4999/_aws/any",
        "TicketsTableName": "any-table",
    }


@pytest.mark.parametrize("name", ["start", "ready", "endpoint_of", "stop"])
def test_a_container_is_no_process_of_ours(name, monkeypatch):
    asked = []
    fake = SimpleNamespace(
        up=lambda *_: asked.append("start"),
        find=lambda *_: asked.append("ready"),
        endpoint_of=lambda *_: asked.append("endpoint_of"),
        stop=lambda *_: asked.append("stop"),
    )
    monkeypatch.setattr(engines, "containers", fake)
    arguments = {"start": (None, print), "ready": (print,), "endpoint_of": (), "stop": (print,)}

    getattr(engines, name)(instance_on("container", DEV), *arguments[name])

    assert asked == [name]


def test_sam_is_given_the_deployed_functions_variables_and_no_credentials(monkeypatch):
    deployed = {"Handler": "tickets.api.handler", "Environment": {"Variables": {"NAME": "value"}}}
    awslambda = SimpleNamespace(get_function_configuration=lambda **_: deployed)
    monkeypatch.setattr(sam_local, "client", lambda *_: awslambda)
    monkeypatch.setattr(sam_local, "physical_names", lambda _: {"TicketsApiFunction": "any-name"})
    monkeypatch.setattr(sam_local, "_is_here", lambda _: True)
    monkeypatch.setattr(sam_local.os, "chdir", lambda _: None)
    became = []
    monkeypatch.setattr(sam_local.os, "execve", lambda *arguments: became.append(arguments))

    instance = instance_on("localstack", DEV)
    sam_local.invoke(Cloud("http://any", {}), instance, "TicketsApiFunction", None)

    [(_, line, environment)] = became
    options = dict(zip(line[4::2], line[5::2], strict=False))
    variables = json.loads(
        (instance.folder / "sam" / "TicketsApiFunction.variables.json").read_text()
    )
    assert variables == {"TicketsApiFunction": {"NAME": "value"}}
    assert options["--docker-network"] == "aftercall"
    assert line[-1] == "--skip-pull-image"
    assert not {name for name in environment if name.startswith("AWS_") and "METADATA" not in name}


def test_says_that_no_such_function_is_deployed(monkeypatch):
    monkeypatch.setattr(sam_local, "client", lambda *_: None)
    monkeypatch.setattr(sam_local, "physical_names", lambda _: {})

    with pytest.raises(CloudError, match="no function AnyFunction is deployed"):
        sam_local.invoke(
            Cloud("http://any", {}), instance_on("localstack", DEV), "AnyFunction", None
        )


def test_simulators_beside_containers_get_their_settings_back(monkeypatch, tmp_path):
    told = []

    class Fake:
        def __init__(self, profile, url, port):
            self.profile, self.url = profile, url

        def limits(self):
            return {"of": self.profile}

        def set_limits(self, changes):
            told.append((self.url, changes))

        def clear_stats(self):
            pass

        def clear_faults(self):
            pass

    monkeypatch.setattr(storages, "RunningSimulator", Fake)
    monkeypatch.delenv("PLAIN_HTTP_HOSTS", raising=False)

    instance = instance_on("localstack", DEV)
    with storages.storages(instance, tmp_path, nextcloud={"a": 1}, s3={}) as (nextcloud, s3):
        assert nextcloud.url == "http://nextcloud:4570"
        assert s3.profile == "s3"
        assert os.environ["PLAIN_HTTP_HOSTS"] == "localstack,nextcloud,object-storage"

    assert told[:2] == [(nextcloud.url, {"a": 1}), (s3.url, {})]
    assert told[2:] == [(nextcloud.url, {"of": "nextcloud"}), (s3.url, {"of": "s3"})]
    assert "PLAIN_HTTP_HOSTS" not in os.environ
