"""Make an entity's checklists and reconciliations for the new period, with due dates.

They are put into our own bucket; the next step uploads them. The same template, entity and period
make the same bytes, so the step may run twice.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from replication.entity_work import Input, Output, Work, work_on
from replication.problems import DOCUMENTS_BUCKET_NAME
from replication.rules.templates import render
from shared.clients import s3, transient_failures
from shared.observability import step


@step
def handler(event: Input, context: LambdaContext) -> Output:
    return work_on(Work, event, "apply_templates", apply_templates)


def apply_templates(work: Work) -> None:
    begin = work.cursor["position"]
    for number, template in enumerate(work.templates[begin:], begin):
        path, content = render(template, work.entity.name, work.period, work.calendar)
        with transient_failures():
            s3().put_object(
                Bucket=DOCUMENTS_BUCKET_NAME,
                Key=work.rendered_prefix + path,
                Body=content,
                ContentType="text/csv; charset=utf-8",
                ChecksumAlgorithm="SHA256",
            )
        work.cursor["position"] = number + 1
        work.look_around()
