"""The AWS CLI without AWS. It checks the parameters of each call against the models of botocore,
appends the call to the file that CALLS names, and answers it instead of sending it. The
variable ANSWERS, a JSON object, replaces answers by operation."""

import json
import os
import sys

from awscli.clidriver import create_clidriver

OUTPUTS = {
    "Url": "http://site.example",
    "Bucket": "elasticbeanstalk-us-east-1-123456789012-site",
    "AccessKey": "the access key",
    "SecretKey": "arn:aws:secretsmanager:us-east-1:123456789012:secret:key",
}
STACK = {
    "StackName": "multi-docker",
    "StackStatus": "CREATE_COMPLETE",
    "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in OUTPUTS.items()],
}
PLATFORM = "arn:aws:elasticbeanstalk:us-east-1::platform/ECS running on 64bit Amazon Linux 2023/4.0"
ANSWERS = {
    "ListRoles": {"Roles": []},
    "CreateServiceLinkedRole": {},
    "ListPlatformVersions": {"PlatformSummaryList": [{"PlatformArn": PLATFORM}]},
    "CreateChangeSet": {"Id": "arn:changes", "StackId": "arn:stack"},
    "DescribeChangeSet": {"Status": "CREATE_COMPLETE"},
    "ExecuteChangeSet": {},
    "DescribeStacks": {"Stacks": [STACK]},
    "GetSecretValue": {"SecretString": "the secret key"},
    "PutObject": {},
    "RegisterTaskDefinition": {},
} | json.loads(os.environ.get("ANSWERS", "{}"))
NO_STACK = {
    "Error": {
        "Code": "ValidationError",
        "Message": "Stack with id multi-docker does not exist",
    }
}


class Http:
    def __init__(self, status_code):
        self.status_code = status_code


def calls():
    if not os.path.exists(os.environ["CALLS"]):
        return []
    with open(os.environ["CALLS"]) as file:
        return [json.loads(line)["operation"] for line in file]


def record(params, model, **_):
    call = {"operation": model.name, "parameters": params}
    with open(os.environ["CALLS"], "a") as file:
        file.write(json.dumps(call, default=lambda body: body.read().decode()) + "\n")


def answer(model, **_):
    if model.name == "DescribeStacks" and "ExecuteChangeSet" not in calls():
        return Http(400), NO_STACK
    return Http(200), ANSWERS[model.name]


driver = create_clidriver()
# botocore checks the parameters between these two events.
driver.session.register("before-parameter-build", record)
driver.session.register("before-call", answer)
sys.exit(driver.main(sys.argv[1:]))
