"""Every path of the machines of replication."""

from functools import partial

from tests.mocked.case import Case
from tests.mocks import MOCKS, cause_of
from tests.workflow import replication

GIVEN = replication.GIVEN

ENTITY = MOCKS["replication_worker"]["answers"]["Next Entity"][0]
DONE = MOCKS["replication_task"]["answers"]["Upload Folders"]
SERVICES = MOCKS["replication_plan"]["answers"]["Write Batches"]

plan = partial(Case, "replication_plan")
service = partial(Case, "replication_service")
worker = partial(Case, "replication_worker")
task = partial(Case, "replication_task")

GROUPED = "Begin Plan > Group Entities"
WRITTEN = f"{GROUPED} > Entities Grouped? > Write Batches"
STARTED = f"{WRITTEN} > Batches Written? > Start Services"
PLAN_RECORDED = "Record Failure > Plan Failed"

PLANS = [
    *(
        plan(
            name,
            f"{STARTED} (Start Service | Start Service) > Replication Planned",
            output={"written": SERVICES},
        )
        for name in ("everything_is_throttled_once", "every_function_fails_transiently_once")
    ),
    plan(
        "many_pages",
        f"{GROUPED} > Entities Grouped? > Group Entities > Entities Grouped? > Write Batches"
        " > Batches Written? > Write Batches > Batches Written?"
        " > Start Services (Start Service | Start Service) > Replication Planned",
        output={"written": SERVICES},
    ),
    plan(
        "nothing_to_do",
        f"{STARTED} > Replication Planned",
        output={"written": {**SERVICES, "services": []}, "started": []},
    ),
    plan(
        "a_service_runs_already",
        f"{STARTED} (Start Service | Start Service > Service Runs Already) > Replication Planned",
        output={"written": SERVICES},
    ),
    *(
        plan(name, f"{GROUPED} > {PLAN_RECORDED}", blamed={"group_entities": "KeyError"})
        for name in (
            "grouping_fails",
            "the_way_of_a_failure_is_throttled_once",
            "the_way_of_a_failure_fails_transiently_once",
        )
    ),
    plan("writing_fails", f"{WRITTEN} > {PLAN_RECORDED}", blamed={"write_batches": "KeyError"}),
    plan(
        "starting_fails",
        f"{STARTED} (Start Service) > {PLAN_RECORDED}",
        blamed={"start_services": "StepFunctions.AccessDeniedException"},
    ),
    plan(
        "failure_is_not_recorded",
        f"{GROUPED} > Record Failure > Failure Not Recorded",
        blamed={"group_entities": "KeyError"},
        error="ResourceNotFoundException",
    ),
]

COLLECTED = "Begin Pulse > Collect Metrics"
JUDGED = f"{COLLECTED} > Work Left?"
NEXT_BEAT = "Await Pulse > Collect Metrics > Work Left? > Service Finished"
SERVICE_RECORDED = "Record Failure > Service Failed"
FINISHED = {"beat": {"verdict": "finished", "number": 2}}
HANDED_OVER = {"beat": {"verdict": "hand_over", "number": 1000, "next_run": 2}}

PULSES = [
    *(
        service(name, f"{JUDGED} > Start Workers > {NEXT_BEAT}", output=FINISHED)
        for name in ("everything_is_throttled_once", "every_function_fails_transiently_once")
    ),
    service("nothing_to_start", f"{JUDGED} > {NEXT_BEAT}", output=FINISHED),
    service(
        "stopped",
        f"{JUDGED} > Service Stopped",
        output={"beat": {"verdict": "stopped", "number": 1}},
    ),
    *(
        service(name, f"{JUDGED} > Hand Over > Service Handed Over", output=HANDED_OVER)
        for name in ("hands_over", "handing_over_is_throttled_once", "next_run_is_there")
    ),
    *(
        service(name, f"{COLLECTED} > {SERVICE_RECORDED}", blamed={"collect_metrics": "KeyError"})
        for name in (
            "collecting_fails",
            "the_way_of_a_failure_is_throttled_once",
            "the_way_of_a_failure_fails_transiently_once",
        )
    ),
    service(
        "starting_fails",
        f"{JUDGED} > Start Workers > {SERVICE_RECORDED}",
        blamed={"start_workers": "KeyError"},
    ),
    service(
        "handing_over_fails",
        f"{JUDGED} > Hand Over > {SERVICE_RECORDED}",
        blamed={"hand_over": "StepFunctions.AccessDeniedException"},
    ),
    service(
        "failure_is_not_recorded",
        f"{COLLECTED} > Record Failure > Failure Not Recorded",
        blamed={"collect_metrics": "KeyError"},
        error="ResourceNotFoundException",
    ),
]

OPENED = "Open Batch > Next Entity"
REPLICATED = f"{OPENED} > Entity Left? > Replicate Entity > Next Entity"
WORKER_RECORDED = "Record Failure > Worker Failed"
TOO_MANY = "StepFunctions.ExecutionLimitExceededException"
DONE_OUTCOME = MOCKS["replication_worker"]["answers"]["Replicate Entity"]["Output"]["progress"]

BATCHES = [
    *(
        worker(
            name,
            f"{REPLICATED} > Entity Left? > Batch Finished",
            output={"entity": {"status": "finished"}, "outcome": DONE_OUTCOME},
        )
        for name in ("everything_is_throttled_once", "every_function_fails_transiently_once")
    ),
    worker(
        "an_entity_fails",
        f"{REPLICATED} > Entity Left? > Batch Finished",
        output={
            "entity": {"status": "finished"},
            "outcome": {"Error": TOO_MANY, "Cause": cause_of(TOO_MANY)},
        },
    ),
    worker(
        "put_off",
        f"{OPENED} > Entity Left? > Batch Put Off",
        output={"entity": {"status": "stopped"}},
    ),
    worker(
        "taken_over",
        f"{OPENED} > Entity Left? > Batch Taken Over",
        output={"entity": {"status": "taken_over"}},
    ),
    *(
        worker(name, f"{OPENED} > {WORKER_RECORDED}", blamed={"next_entity": "LookupError"})
        for name in (
            "next_entity_fails",
            "the_way_of_a_failure_is_throttled_once",
            "the_way_of_a_failure_fails_transiently_once",
        )
    ),
    worker(
        "failure_is_not_recorded",
        f"{OPENED} > Record Failure > Failure Not Recorded",
        blamed={"next_entity": "LookupError"},
        error="ResourceNotFoundException",
    ),
]

CREATED = "Begin Entity > Create Folders"
APPLIED = f"{CREATED} > Folders Created? > Apply Templates > Templates Applied?"
UPLOADED = f"{APPLIED} > Upload Folders > Folders Uploaded?"

ENTITIES = [
    *(
        task(name, f"{UPLOADED} > Entity Replicated", output={"progress": DONE})
        for name in ("everything_is_throttled_once", "every_function_fails_transiently_once")
    ),
    task(
        "every_step_is_taken_again",
        f"{CREATED} > Folders Created? > Create Folders > Folders Created?"
        " > Await Quota For Folders > Create Folders > Folders Created?"
        " > Apply Templates > Templates Applied? > Apply Templates > Templates Applied?"
        " > Upload Folders > Folders Uploaded? > Upload Folders > Folders Uploaded?"
        " > Await Quota For Documents > Upload Folders > Folders Uploaded? > Entity Replicated",
        output={"progress": DONE},
    ),
    task(
        "stopped_in_folders",
        f"{CREATED} > Folders Created? > Entity Not Finished",
        output={"progress": {**DONE, "status": "stopped"}},
    ),
    task(
        "stopped_in_templates",
        f"{APPLIED} > Entity Not Finished",
        output={"progress": {**DONE, "status": "stopped"}},
    ),
    task(
        "over_in_documents",
        f"{UPLOADED} > Entity Not Finished",
        output={"progress": {**DONE, "status": "over"}},
    ),
    task("storage_refuses", CREATED, error="StorageRefused"),
]

CASES = [*PLANS, *PULSES, *BATCHES, *ENTITIES]
