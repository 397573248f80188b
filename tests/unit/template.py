"""template.yaml as the unit tests need it: each function's environment, and the declared resources.

Only what the template uses of CloudFormation is understood; anything else is an error here, so
that a test never runs against a guess.
"""

import json
import re
from collections.abc import Container, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import yaml
from moto.dynamodb.models import Table, dynamodb_backends

REPOSITORY = Path(__file__).parents[2]
ACCOUNT = "123456789012"
REGION = "us-east-1"
STACK = "aftercall"

_PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": STACK,
    "AWS::URLSuffix": "amazonaws.com",
}
_GIVEN = {
    "SenderEmail": "service@aftercall.example",
    "TokenIssuer": "https://issuer.example/pool",
    "TokenJwksUrl": "https://issuer.example/pool/jwks.json",
    "TokenUrl": "https://issuer.example/oauth2/token",
}
"""Parameters that have no default, as somebody who deploys may set them."""
_ARNS = {
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:{region}:{account}:table/{name}",
    "AWS::Events::EventBus": "arn:aws:events:{region}:{account}:event-bus/{name}",
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::SNS::Topic": "arn:aws:sns:{region}:{account}:{name}",
    "AWS::SecretsManager::Secret": "arn:aws:secretsmanager:{region}:{account}:secret:{name}",
    "AWS::SQS::Queue": "arn:aws:sqs:{region}:{account}:{name}",
    "AWS::Serverless::Function": "arn:aws:lambda:{region}:{account}:function:{name}",
    "AWS::Serverless::StateMachine": "arn:aws:states:{region}:{account}:stateMachine:{name}",
}
_REF_IS_ARN = {
    "AWS::SNS::Topic",
    "AWS::SecretsManager::Secret",
    "AWS::Serverless::StateMachine",
}


@cache
def client(service: str) -> Any:
    """One client of each service for all tests: they take long to make."""
    return boto3.client(service)


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short tags as its long functions."""


def _short_tag(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _short_tag)


class Template:
    """The template with the defaults of its parameters, and `_GIVEN` where there is none."""

    def __init__(self, text: str) -> None:
        self._document = yaml.load(text, _Loader)
        self.resources: dict[str, dict[str, Any]] = self._document["Resources"]
        self.parameters: dict[str, dict[str, Any]] = self._document["Parameters"]
        self._conditions: dict[str, Any] = self._document.get("Conditions", {})
        self._empty_tables: dict[str, Table] = {}
        self.function_globals: dict[str, Any] = self._document["Globals"]["Function"]

    def of_type(self, type_name: str) -> dict[str, dict[str, Any]]:
        """Logical id -> properties of every resource of a type."""
        return {
            logical_id: resource.get("Properties", {})
            for logical_id, resource in self.resources.items()
            if resource["Type"] == type_name
        }

    def function_of(self, module: str) -> str:
        """The logical id of the function whose handler lies in a module."""
        functions = self.of_type("AWS::Serverless::Function")
        [found] = [f for f, p in functions.items() if p["Handler"] == f"{module}.handler"]
        return found

    def environment_of(self, module: str) -> dict[str, str]:
        """The environment that the template gives the function of a module."""
        own = self.resources[self.function_of(module)]["Properties"]
        variables = {
            **self.function_globals.get("Environment", {}).get("Variables", {}),
            **own.get("Environment", {}).get("Variables", {}),
        }
        return {name: str(self.resolve(value)) for name, value in variables.items()}

    def resolve(self, value: Any) -> Any:
        """A value without Ref, GetAtt, Sub and If."""
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        if not isinstance(value, dict):
            return value
        if set(value) == {"Ref"}:
            return self.ref(value["Ref"])
        if set(value) == {"Fn::GetAtt"}:
            return self.attribute(*value["Fn::GetAtt"])
        if set(value) == {"Fn::Sub"}:
            return re.sub(r"\$\{([^}]+)\}", lambda match: self._sub(match[1]), value["Fn::Sub"])
        if set(value) == {"Fn::If"}:
            condition, then, otherwise = value["Fn::If"]
            return self.resolve(then if self._holds(self._conditions[condition]) else otherwise)
        unknown = [name for name in value if name.startswith("Fn::")]
        if unknown:
            raise NotImplementedError(f"tests/unit/template.py does not know {unknown}")
        return {name: self.resolve(item) for name, item in value.items()}

    def _holds(self, condition: dict[str, Any]) -> bool:
        [(function, operands)] = condition.items()
        if function == "Fn::Not":
            return not self._holds(*operands)
        if function == "Fn::Equals":
            one, other = map(self.resolve, operands)
            return bool(one == other)
        raise NotImplementedError(f"tests/unit/template.py does not know {function}")

    def _sub(self, expression: str) -> str:
        logical_id, _, attribute = expression.partition(".")
        return str(self.attribute(logical_id, attribute) if attribute else self.ref(logical_id))

    def name(self, logical_id: str) -> str:
        """The physical name: its own, or one like those that CloudFormation makes."""
        resource = self.resources[logical_id]
        own = resource.get("Properties", {}).get("Name")
        if own is not None:
            return str(self.resolve(own))
        name = f"{STACK}-{logical_id}"
        return name.lower() if resource["Type"] == "AWS::S3::Bucket" else name

    def ref(self, name: str) -> Any:
        if name in _PSEUDO:
            return _PSEUDO[name]
        if name in self.parameters:
            parameter = self.parameters[name]
            return parameter["Default"] if "Default" in parameter else _GIVEN[name]
        type_name = self.resources[name]["Type"]
        if type_name == "AWS::SQS::Queue":
            return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{self.name(name)}"
        return self.arn(name) if type_name in _REF_IS_ARN else self.name(name)

    def arn(self, logical_id: str) -> str:
        pattern = _ARNS[self.resources[logical_id]["Type"]]
        return pattern.format(region=REGION, account=ACCOUNT, name=self.name(logical_id))

    def attribute(self, logical_id: str, attribute: str) -> str:
        return {"Arn": self.arn, "Name": self.name, "QueueName": self.name}[attribute](logical_id)

    def used_by(self, domain: str) -> set[str]:
        """The logical ids of all that the functions of a domain name."""
        functions = self.of_type("AWS::Serverless::Function").values()
        own = [f for f in functions if f["Handler"].startswith(f"{domain}.")]
        return set(_names_in([*own, self.function_globals])) & set(self.resources)

    def create_resources(self, wanted: Container[str] | None = None) -> None:
        """Make what is declared of tables, buckets, queues, buses, topics, state machines,
        secrets and configuration sets: all, or those of the wanted logical ids.
        """

        def of_type(type_name: str) -> dict[str, dict[str, Any]]:
            declared = self.of_type(type_name)
            return {one: p for one, p in declared.items() if wanted is None or one in wanted}

        self._create_tables(of_type("AWS::DynamoDB::Table"))
        self._create_buckets(of_type("AWS::S3::Bucket"))
        for logical_id in of_type("AWS::SQS::Queue"):
            client("sqs").create_queue(QueueName=self.name(logical_id))
        for logical_id in of_type("AWS::Events::EventBus"):
            client("events").create_event_bus(Name=self.name(logical_id))
        for logical_id in of_type("AWS::SNS::Topic"):
            client("sns").create_topic(Name=self.name(logical_id))
        for logical_id in of_type("AWS::Serverless::StateMachine"):
            client("stepfunctions").create_state_machine(
                name=self.name(logical_id),
                definition='{"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}',
                roleArn=f"arn:aws:iam::{ACCOUNT}:role/any",
            )
        for logical_id in of_type("AWS::SES::ConfigurationSet"):
            client("ses").create_configuration_set(ConfigurationSet={"Name": self.name(logical_id)})
        for logical_id, properties in of_type("AWS::SecretsManager::Secret").items():
            generated = properties["GenerateSecretString"]
            secret = json.loads(generated["SecretStringTemplate"])
            secret[generated["GenerateStringKey"]] = "any-secret"
            client("secretsmanager").create_secret(
                Name=self.name(logical_id), SecretString=json.dumps(secret)
            )

    def _create_tables(self, tables: dict[str, dict[str, Any]]) -> None:
        taken = {
            "AttributeDefinitions",
            "BillingMode",
            "GlobalSecondaryIndexes",
            "KeySchema",
            "LocalSecondaryIndexes",
        }
        backend = dynamodb_backends[ACCOUNT][REGION]
        for logical_id, properties in tables.items():
            name = self.name(logical_id)
            if logical_id not in self._empty_tables:
                arguments = {
                    one: self.resolve(properties[one]) for one in taken & properties.keys()
                }
                client("dynamodb").create_table(TableName=name, **arguments)
                self._empty_tables[logical_id] = deepcopy(backend.tables[name])
            else:  # A copy is made ten times faster than a call.
                backend.tables[name] = deepcopy(self._empty_tables[logical_id])

    def _create_buckets(self, buckets: dict[str, dict[str, Any]]) -> None:
        s3 = client("s3")
        for logical_id, properties in buckets.items():
            s3.create_bucket(Bucket=self.name(logical_id))
            if versioning := properties.get("VersioningConfiguration"):
                s3.put_bucket_versioning(
                    Bucket=self.name(logical_id), VersioningConfiguration=versioning
                )


def _names_in(value: Any) -> Iterator[str]:
    """What a part of the template names by Ref, GetAtt and Sub."""
    if isinstance(value, list):
        for item in value:
            yield from _names_in(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "Ref":
                yield item
            elif key == "Fn::GetAtt":
                yield item[0]
            elif key == "Fn::Sub":
                yield from (name.partition(".")[0] for name in re.findall(r"\$\{([^}]+)\}", item))
            else:
                yield from _names_in(item)


@cache
def template() -> Template:
    return Template((REPOSITORY / "template.yaml").read_text())
