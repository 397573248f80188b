"""The demo: real work through the laptop cloud, shown while it happens, domain by domain."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from local.cloud import deployment, engines
from local.cloud.client import Cloud
from local.cloud.settings import ENGINES, INTERRUPTED, CloudError, Instance, instance_on
from local.demo import communications, post_call, replication, tickets
from local.demo.customers import save_customers
from local.demo.options import Options

DOMAINS: dict[str, Callable[[Cloud, Console, Options], bool]] = {
    "post_call": post_call.show,
    "tickets": tickets.show,
    "communications": communications.show,
    "replication": replication.show,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument("--engine", choices=ENGINES, default="embedded", help="what plays AWS")
    parser.add_argument("--instance", default="dev", help="which embedded one (default: dev)")
    parser.add_argument("--domain", choices=sorted(DOMAINS), help="only this domain (default: all)")
    parser.add_argument(
        "--calls", type=Path, metavar="FOLDER", help="recordings of your own instead of the samples"
    )
    parser.add_argument(
        "--deploy", action="store_true", help="deploy first, even where a stack is deployed already"
    )
    arguments = parser.parse_args()
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 110
    begin = time.monotonic()
    try:
        options = Options(
            instance_on(arguments.engine, Instance(arguments.instance)), arguments.calls
        )
        cloud = ready_cloud(options.instance, arguments.deploy, console)
        save_customers(cloud)
        shown = [
            DOMAINS[domain](cloud, console, options)
            for domain in ([arguments.domain] if arguments.domain else DOMAINS)
        ]
    except CloudError as error:
        console.print(f"error: {error}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print(INTERRUPTED)
        return 130
    console.print(f"\nDemo finished in {time.monotonic() - begin:.0f} s.")
    return 0 if all(shown) else 1


def ready_cloud(instance: Instance, deploy: bool, console: Console) -> Cloud:
    """The running, deployed laptop cloud; started and deployed where it is not."""
    endpoint = engines.endpoint_of(instance)
    if deploy or endpoint is None or not instance.outputs_file.exists():

        def progress(text: str) -> None:
            console.print(text, markup=False, soft_wrap=True)

        endpoint = engines.ready(instance, progress)
        outputs = deployment.deploy(instance, endpoint, progress)
    else:
        outputs = json.loads(instance.outputs_file.read_text())
    return Cloud(endpoint, outputs)


if __name__ == "__main__":
    sys.exit(main())
