"""`sam local`: a function in a container of Lambda's own image, beside an engine in containers.

SAM gives a function only the variables that the template declares, and turns each Ref into a
logical id. So the variables come from the deployed function, in a file that SAM reads.
"""

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from local.cloud.client import Cloud
from local.cloud.deployment import client, processor, sam_environment
from local.cloud.invocation import physical_names, sample_event, with_physical_names
from local.cloud.settings import CREDENTIALS, PROJECT_BIN, REGION, ROOT, CloudError, Instance

NETWORK = "aftercall"
"""As docker-compose.yml names it."""

_BUILT = ROOT / ".aws-sam" / "build" / "template.yaml"


def invoke(cloud: Cloud, instance: Instance, logical_id: str, event: Path | None) -> NoReturn:
    """Run one function on an event, its resources' sample names made the deployed ones. SAM's exit
    status is 0 for an error of the function, too.
    """
    names = physical_names(cloud)
    [function] = _functions(cloud, names, [logical_id])
    text = (event or sample_event(function["Handler"])).read_text()
    event_file = _written(instance, f"{logical_id}.event.json", with_physical_names(text, names))
    variables = _written(
        instance, f"{logical_id}.variables.json", _variables({logical_id: function})
    )
    _sam("invoke", logical_id, "--event", str(event_file), "--env-vars", str(variables))


def start_api(cloud: Cloud, instance: Instance, port: int) -> NoReturn:
    """Serve the REST API on 127.0.0.1 until it is interrupted; each request starts a container."""
    names = physical_names(cloud)
    logical_ids = [name for name in names if name.endswith("ApiFunction")]
    functions = dict(zip(logical_ids, _functions(cloud, names, logical_ids), strict=True))
    variables = _written(instance, "Api.variables.json", _variables(functions))
    _sam("start-api", "--port", str(port), "--env-vars", str(variables))


def _functions(
    cloud: Cloud, names: dict[str, str], logical_ids: Iterable[str]
) -> Iterable[dict[str, Any]]:
    """The deployed functions' configurations."""
    awslambda = client("lambda", cloud.endpoint)
    for logical_id in logical_ids:
        if logical_id not in names:
            raise CloudError(f"no function {logical_id} is deployed.")
        yield awslambda.get_function_configuration(FunctionName=names[logical_id])


def _variables(functions: dict[str, dict[str, Any]]) -> str:
    return json.dumps(
        {name: function["Environment"]["Variables"] for name, function in functions.items()}
    )


def _written(instance: Instance, name: str, text: str) -> Path:
    folder = instance.folder / "sam"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def _sam(command: str, *arguments: str) -> NoReturn:
    """Become SAM: whoever interrupts this process means it."""
    image = f"public.ecr.aws/lambda/python:3.13-{processor()}"
    options = ["--template", str(_BUILT), "--region", REGION, "--docker-network", NETWORK]
    options += ["--parameter-overrides", f"Architecture={processor()}"]
    if _is_here(image):
        options.append("--skip-pull-image")
    # With credentials SAM asks STS whose they are, and waits for the answer of the real one.
    environment = {
        name: value
        for name, value in sam_environment("").items()
        if name not in CREDENTIALS and name != "AWS_ENDPOINT_URL"
    }
    line = [str(PROJECT_BIN / "sam"), "local", command, *arguments, *options]
    os.chdir(ROOT)
    os.execve(line[0], line, environment)  # noqa: S606


def _is_here(image: str) -> bool:
    look = ["docker", "image", "inspect", "--format", "{{.Id}}", image]
    return subprocess.run(look, capture_output=True, env=os.environ).returncode == 0
