"""Every path of `communications_redrive` and `communications_canary`."""

from functools import partial

from tests.mocked.case import Case
from tests.mocked.engines import STEP_FUNCTIONS_LOCAL
from tests.mocks import MOCKS

GIVEN = {
    "communications_redrive": lambda: {
        "run_id": "any-run",
        "batch": 1,
        "communications": [{"communication_id": "any", "version": 1}],
        "tell": True,
    },
    "communications_canary": lambda: {"run_id": "any-run"},
}

RETRIED = "Prepare Redrive > Retry Communications (Retry Communication)"
ROUND = "Await Outcomes > Collect Outcomes"
COLLECTED = f"{RETRIED} > {ROUND}"
SETTLED = f"{COLLECTED} > All Settled?"
RECORDED = "Record Failure > Redrive Failed"
OUTCOME = MOCKS["communications_redrive"]["answers"]["Collect Outcomes"]
UNHEALED = MOCKS["communications_redrive"]["cases"]["failure_is_not_told"]["answers"]

PLANNED = "Prepare Canary > Plan Canary Stage"
STAGE = "Anything Left? > Redrive Stage (Redrive Batch > Batch Redriven) > Judge Canary Stage"
JUDGED = f"{PLANNED} > {STAGE} > Failures Repeat?"
FINISHED = "Record Finished > Notify Finished > Canary Finished"
STOPPED = "Record Stopped > Notify Stopped > Canary Stopped"
JUDGEMENT = MOCKS["communications_canary"]["answers"]["Judge Canary Stage"]
STOP = MOCKS["communications_canary"]["cases"]["stopping_is_not_told"]["answers"]
EMPTY_PLAN = {"stage": 1, "communications": 0, "batches": []}

RUNTIME_ERROR = {
    STEP_FUNCTIONS_LOCAL: "A path that finds nothing is States.Runtime, which no Catch may meet; "
    "LocalStack lets States.ALL meet it."
}


redrive = partial(Case, "communications_redrive")
canary = partial(Case, "communications_canary")

REDRIVES = [
    redrive(
        "everything_is_throttled_once",
        f"{SETTLED} > Notify Success > Redrive Finished",
        output={"outcome": OUTCOME},
    ),
    redrive(
        "every_function_fails_transiently_once",
        f"{SETTLED} > Notify Success > Redrive Finished",
        output={"outcome": OUTCOME},
    ),
    redrive(
        "some_are_still_on_their_way",
        f"{SETTLED} > {ROUND} > All Settled? > Notify Success > Redrive Finished",
        output={"outcome": OUTCOME},
        answers={"Collect Outcomes": [{**OUTCOME, "settled": False}, OUTCOME]},
    ),
    redrive(
        "nobody_is_to_be_told",
        f"{SETTLED} > Redrive Finished",
        output={"outcome": OUTCOME},
        given={"tell": False},
    ),
    redrive(
        "some_failed_again",
        f"{SETTLED} > Notify Failure > Redrive Finished",
        output={"outcome": UNHEALED["Collect Outcomes"]},
        answers=UNHEALED,
        throws={"Notify Failure": ["SNS.ThrottledException"]},
    ),
    redrive(
        "one_cannot_be_retried",
        "Prepare Redrive > Retry Communications (Retry Communication > Retry Not Possible)"
        f" > {ROUND} > All Settled? > Notify Success > Redrive Finished",
        output={
            "retries": [{"communication_id": "any", "result": "not_reached", "error": "KeyError"}]
        },
        throws={"Retry Communication": ["KeyError"]},
    ),
    redrive(
        "the_list_is_broken",
        f"Prepare Redrive > Retry Communications > {RECORDED}",
        blamed={"retry_communications": "States.Runtime"},
        given={"communications": [{"communication_id": "any"}]},
        cannot=RUNTIME_ERROR,
    ),
    redrive(
        "collecting_fails", f"{COLLECTED} > {RECORDED}", blamed={"collect_outcomes": "KeyError"}
    ),
    redrive(
        "the_way_of_a_failure_is_throttled_once",
        f"{COLLECTED} > {RECORDED}",
        blamed={"collect_outcomes": "KeyError"},
    ),
    redrive(
        "the_way_of_a_failure_fails_transiently_once",
        f"{COLLECTED} > {RECORDED}",
        blamed={"collect_outcomes": "KeyError"},
    ),
    redrive(
        "success_is_not_told",
        f"{SETTLED} > Notify Success > {RECORDED}",
        blamed={"notify_success": "SNS.AuthorizationErrorException"},
    ),
    redrive(
        "failure_is_not_told",
        f"{SETTLED} > Notify Failure > {RECORDED}",
        blamed={"notify_failure": "SNS.AuthorizationErrorException"},
    ),
    redrive(
        "failure_is_not_recorded",
        f"{COLLECTED} > Record Failure > Failure Not Recorded",
        blamed={"collect_outcomes": "KeyError"},
        error="AccessDeniedException",
    ),
]

CANARIES = [
    canary(
        "everything_is_throttled_once", f"{JUDGED} > {FINISHED}", output={"judgement": JUDGEMENT}
    ),
    canary(
        "every_function_fails_transiently_once",
        f"{JUDGED} > {FINISHED}",
        output={"judgement": JUDGEMENT},
    ),
    canary(
        "recording_is_throttled_once",
        f"{JUDGED} > {FINISHED}",
        output={"judgement": JUDGEMENT},
        throws={"Record Finished": ["DynamoDB.ThrottlingException"]},
    ),
    canary(
        "nothing_is_left",
        f"{PLANNED} > Anything Left? > {FINISHED}",
        output={"plan": EMPTY_PLAN},
        answers={"Plan Canary Stage": EMPTY_PLAN},
    ),
    canary(
        "the_first_stage_went_well",
        f"{JUDGED} > Plan Canary Stage > {STAGE} > Failures Repeat? > {FINISHED}",
        output={"judgement": JUDGEMENT},
        answers={"Judge Canary Stage": [{"verdict": "go_on", "next_stage": 2}, JUDGEMENT]},
    ),
    canary(
        "a_batch_breaks_off",
        f"{PLANNED} > Anything Left? > Redrive Stage (Redrive Batch > Batch Broke Off)"
        f" > Judge Canary Stage > Failures Repeat? > {STOPPED}",
        output={"judgement": STOP["Judge Canary Stage"]},
        answers=STOP,
        throws={"Redrive Batch": ["StepFunctions.ExecutionLimitExceededException"]},
    ),
    canary(
        "stopping_is_throttled_once",
        f"{JUDGED} > {STOPPED}",
        output={"judgement": STOP["Judge Canary Stage"]},
    ),
    canary(
        "recording_a_stop_is_throttled_once",
        f"{JUDGED} > {STOPPED}",
        output={"judgement": STOP["Judge Canary Stage"]},
        answers=STOP,
        throws={"Record Stopped": ["DynamoDB.ThrottlingException"]},
    ),
    canary(
        "plan_has_no_batches",
        f"{PLANNED} > Anything Left? > Redrive Stage > {RECORDED}",
        blamed={"redrive_stage": "States.Runtime"},
        cannot=RUNTIME_ERROR,
    ),
    canary(
        "planning_never_succeeds",
        f"{PLANNED} > {RECORDED}",
        blamed={"plan_canary_stage": "TransientError"},
    ),
    *(
        canary(name, f"{PLANNED} > {RECORDED}", blamed={"plan_canary_stage": "KeyError"})
        for name in (
            "planning_fails",
            "the_way_of_a_failure_is_throttled_once",
            "the_way_of_a_failure_fails_transiently_once",
        )
    ),
    canary(
        "judging_fails",
        f"{PLANNED} > {STAGE} > {RECORDED}",
        blamed={"judge_canary_stage": "KeyError"},
    ),
    canary(
        "stopping_is_not_recorded",
        f"{JUDGED} > Record Stopped > {RECORDED}",
        blamed={"record_stopped": "DynamoDB.AmazonDynamoDBException"},
    ),
    canary(
        "stopping_is_not_told",
        f"{JUDGED} > Record Stopped > Notify Stopped > {RECORDED}",
        blamed={"notify_stopped": "SNS.AuthorizationErrorException"},
    ),
    canary(
        "finishing_is_not_recorded",
        f"{JUDGED} > Record Finished > {RECORDED}",
        blamed={"record_finished": "DynamoDB.AmazonDynamoDBException"},
    ),
    canary(
        "finishing_is_not_told",
        f"{JUDGED} > Record Finished > Notify Finished > {RECORDED}",
        blamed={"notify_finished": "SNS.AuthorizationErrorException"},
    ),
    canary(
        "failure_is_not_recorded",
        f"{PLANNED} > Record Failure > Failure Not Recorded",
        blamed={"plan_canary_stage": "KeyError"},
        error="AccessDeniedException",
    ),
]

CASES = [*REDRIVES, *CANARIES]
