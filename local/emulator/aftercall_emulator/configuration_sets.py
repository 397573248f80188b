"""CloudFormation's AWS::SES::ConfigurationSet and AWS::SES::ConfigurationSetEventDestination.

LocalStack has neither: it reports success, and no set exists. What its SES has no use for (options
of reputation, sending, suppression, delivery; destinations other than a topic) is accepted and kept
in the stack alone. moto keeps one event destination a set; a second one fails here rather than
taking the first one's place.
"""

from typing import Any, ClassVar

from localstack.services.cloudformation.provider_utils import generate_default_name
from localstack.services.cloudformation.resource_provider import (
    CloudFormationResourceProviderPlugin,
    OperationStatus,
    ProgressEvent,
    ResourceProvider,
    ResourceRequest,
)

Properties = dict[str, Any]


class ConfigurationSetProvider(ResourceProvider[Properties]):
    """A set; another name is another set."""

    TYPE = "AWS::SES::ConfigurationSet"
    SCHEMA: ClassVar = {
        "typeName": TYPE,
        "primaryIdentifier": ["/properties/Name"],
        "createOnlyProperties": ["/properties/Name"],
    }

    def create(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        """Create the set, under a generated name where the template has none."""
        model = request.desired_state
        model["Name"] = model.get("Name") or _generated_name(request)
        ses = request.aws_client_factory.ses
        try:
            ses.create_configuration_set(ConfigurationSet={"Name": model["Name"]})
        except ses.exceptions.ConfigurationSetAlreadyExistsException as error:
            # Without the name, or the stack's deletion would take somebody else's set along.
            return ProgressEvent(
                OperationStatus.FAILED, resource_model={"Name": ""}, message=str(error)
            )
        return _success(model)

    def update(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        """Keep the other options: only the name means something here."""
        return _success(request.desired_state | {"Name": request.previous_state["Name"]})

    def delete(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        """Delete the set unless it is gone, or it never came into being."""
        ses = request.aws_client_factory.ses
        try:
            if name := request.desired_state["Name"]:
                ses.delete_configuration_set(ConfigurationSetName=name)
        except ses.exceptions.ConfigurationSetDoesNotExistException:
            request.logger.debug("the configuration set is gone already")
        return _success({})


class EventDestinationProvider(ResourceProvider[Properties]):
    """Where a set's events go. An update takes the old destination away and creates the new one."""

    TYPE = "AWS::SES::ConfigurationSetEventDestination"
    SCHEMA: ClassVar = {"typeName": TYPE, "primaryIdentifier": ["/properties/Id"]}

    def create(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        """Create the destination, under a generated name where the template has none."""
        model = request.desired_state
        if _has_destination(request, model["ConfigurationSetName"]):
            return ProgressEvent(
                OperationStatus.FAILED,
                resource_model=model,
                message="the emulator keeps one event destination a configuration set",
            )
        destination = model["EventDestination"]
        destination["Name"] = destination.get("Name") or _generated_name(request)
        request.aws_client_factory.ses.create_configuration_set_event_destination(
            ConfigurationSetName=model["ConfigurationSetName"],
            EventDestination=_api_destination(destination),
        )
        return _success(model | {"Id": destination["Name"]})

    def update(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        """Replace the destination, keeping a name that was generated."""
        previous = request.previous_state
        request.desired_state["EventDestination"].setdefault(
            "Name", previous["EventDestination"]["Name"]
        )
        _delete_destination(request, previous)
        return self.create(request)

    def delete(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        """Delete the destination unless it or its set is gone, or it never came into being."""
        if "Id" in request.desired_state:
            _delete_destination(request, request.desired_state)
        return _success({})


class ConfigurationSetPlugin(CloudFormationResourceProviderPlugin):
    """Found by its entry point."""

    name = ConfigurationSetProvider.TYPE

    def load(self) -> None:
        """CloudFormation asks the loaded plugin for this."""
        self.factory = ConfigurationSetProvider


class EventDestinationPlugin(CloudFormationResourceProviderPlugin):
    """Found by its entry point."""

    name = EventDestinationProvider.TYPE

    def load(self) -> None:
        """CloudFormation asks the loaded plugin for this."""
        self.factory = EventDestinationProvider


def _has_destination(request: ResourceRequest[Properties], configuration_set: str) -> bool:
    from moto.ses.models import ses_backends

    backend = ses_backends[request.account_id][request.region_name]
    return configuration_set in backend.config_set_event_destination


def _api_destination(destination: Properties) -> Properties:
    """The API spells a topic's member SNSDestination, CloudFormation SnsDestination."""
    converted = {
        "Name": destination["Name"],
        "Enabled": destination.get("Enabled", False),
        "MatchingEventTypes": destination["MatchingEventTypes"],
    }
    if topic := destination.get("SnsDestination"):
        converted["SNSDestination"] = {"TopicARN": topic["TopicARN"]}
    return converted


def _delete_destination(request: ResourceRequest[Properties], model: Properties) -> None:
    ses = request.aws_client_factory.ses
    try:
        ses.delete_configuration_set_event_destination(
            ConfigurationSetName=model["ConfigurationSetName"],
            EventDestinationName=model["EventDestination"]["Name"],
        )
    except (
        ses.exceptions.ConfigurationSetDoesNotExistException,
        ses.exceptions.EventDestinationDoesNotExistException,
    ):
        request.logger.debug("the event destination is gone already")


def _generated_name(request: ResourceRequest[Properties]) -> str:
    return generate_default_name(request.stack_name, request.logical_resource_id)


def _success(model: Properties) -> ProgressEvent[Properties]:
    return ProgressEvent(OperationStatus.SUCCESS, resource_model=model)
