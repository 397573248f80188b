"""Build the folder tree of an entity's new period at its storage provider.

Folders that are there stay as they are, so the step may run twice. A dry run makes none.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from replication.entity_work import Input, Output, work_on
from replication.storage_work import StorageWork
from shared.observability import step

PERIOD_FOLDER = 1
"""Which of the folders is the period's: the entity's own comes before it."""


@step
def handler(event: Input, context: LambdaContext) -> Output:
    return work_on(StorageWork, event, "create_folders", create_folders)


def create_folders(work: StorageWork) -> None:
    folders = work.folders
    begin = work.cursor["position"]
    inside = f"{folders[PERIOD_FOLDER]}/"
    work.meter.expect("create_folder", len(folders) - begin)
    for number, folder in enumerate(folders[begin:], begin):
        legal = work.is_legal(folder, folder.removeprefix(inside))
        made = legal and work.make_folder(folder)
        if number == PERIOD_FOLDER:
            # Nobody has put anything into a folder that was not there a moment ago.
            work.cursor["fresh"] = made and not work.dry_run
        work.cursor["position"] = number + 1
        work.look_around()
