"""Whose calls the audit's filters count, by the records that CloudTrail writes; its log is filtered on AWS only.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html
"""

import json
import re
from fnmatch import fnmatchcase
from typing import Any

import pytest

from model.templates import pieces

AUDIT = pieces()["audit"]
FILTERS = AUDIT.of_type("AWS::Logs::MetricFilter")
ROLE = "arn:aws:iam::111122223333:role/"
TABLE = "arn:aws:dynamodb:eu-central-1:111122223333:table/vouchers"
KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd"
VALUES = {
    "SignerRoleArn": f"{ROLE}setpieces-SignerRole-1",
    "StoreFileRoleArn": f"{ROLE}setpieces-StoreFileFunctionRole-1",
    "GenerateChunkRoleArn": f"{ROLE}setpieces-GenerateChunkFunctionRole-1",
    "VoucherTableArn": TABLE,
    "Table": "vouchers",
    "CodeKeyArn": KEY,
    "KeyId": "1234abcd",
}
TOKEN = re.compile(r'\s*(&&|\|\||[(){}]|"[^"]*"|!=|=|NOT EXISTS|[$\w.\[\]]+)')


def pattern(name: str, values: dict[str, str] = VALUES) -> str:
    """The filter's pattern with values for what it refers to."""
    declared = AUDIT.source["Resources"][name]["Properties"]["FilterPattern"]
    text = declared["Fn::Sub"] if isinstance(declared, dict) else declared
    text = text[0] if isinstance(text, list) else text
    return re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], text)


def field(record: Any, selector: str) -> Any:
    for name in re.findall(r"\w+", selector):
        if isinstance(record, list):
            record = record[int(name)] if int(name) < len(record) else None
        else:
            record = record.get(name) if isinstance(record, dict) else None
    return record


def counts(name: str, record: dict[str, Any]) -> bool:
    """Whether a filter matches. A comparison with a field that is not there is none: AWS does not document another result."""
    tokens = TOKEN.findall(pattern(name))[::-1]

    def term() -> bool:
        token = tokens.pop()
        if token in "({":
            value = either()
            assert tokens.pop() in ")}"
            return value
        value, operator = field(record, token), tokens.pop()
        if operator == "NOT EXISTS":
            return value is None
        equal = value is not None and fnmatchcase(value, tokens.pop().strip('"').replace("[", "[[]"))
        if value is None:
            tokens.pop()
            return False
        return equal == (operator == "=")

    def both() -> bool:
        value = term()
        while tokens and tokens[-1] == "&&":
            tokens.pop()
            value = term() and value
        return value

    def either() -> bool:
        value = both()
        while tokens and tokens[-1] == "||":
            tokens.pop()
            value = both() or value
        return value

    value = either()
    assert not tokens
    return value


def by_role(arn: str) -> dict[str, Any]:
    name = arn.rsplit("/", 1)[-1]
    return {
        "type": "AssumedRole",
        "arn": f"arn:aws:sts::111122223333:assumed-role/{name}/session",
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": arn, "userName": name}},
    }


USER = {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/Alice", "userName": "Alice"}
ROOT_USER = {"type": "Root", "arn": "arn:aws:iam::111122223333:root"}
ADMIN = by_role(f"{ROLE}admin")
# Named so that a pattern for a part of the name would take it for the shop's.
LOOKALIKE = by_role(f"{ROLE}mine-SignerRole-StoreFileFunctionRole-GenerateChunkFunctionRole-1")
OTHERS = [USER, ROOT_USER, ADMIN, LOOKALIKE]


@pytest.mark.parametrize("call", ["GetObject", "CopyObject", "UploadPartCopy"])
def test_files_are_read_and_copied_by_the_signer_and_by_store_file_alone(call: str):
    record = {"eventSource": "s3.amazonaws.com", "eventName": call, "eventCategory": "Data"}
    for caller in OTHERS:
        assert counts("ForeignReads", record | {"userIdentity": caller}), caller
    for name in ("SignerRoleArn", "StoreFileRoleArn"):
        assert not counts("ForeignReads", record | {"userIdentity": by_role(VALUES[name])})
    assert not counts("ForeignReads", record | {"eventName": "PutObject", "userIdentity": USER})


def test_the_table_of_vouchers_is_read_by_the_functions_alone():
    """Calls of these functions are not selected; those of all others are, and are counted."""
    (trail,) = AUDIT.of_type("AWS::CloudTrail::Trail").values()
    selectors = {each["Name"]: each["FieldSelectors"] for each in trail["AdvancedEventSelectors"]}
    fields = {each["Field"]: each for each in selectors["vouchers by others than the functions"]}
    assert fields["resources.type"]["Equals"] == ["AWS::DynamoDB::Table"]
    assert fields["resources.ARN"]["Equals"] == ["VoucherTableArn"]
    assert fields["userIdentity.arn"]["NotStartsWith"] == "VoucherTableSessions"
    for call in ("Scan", "Query", "GetItem", "BatchGetItem", "ExecuteStatement", "PutItem"):
        record = {"eventSource": "dynamodb.amazonaws.com", "eventName": call, "eventCategory": "Data"}
        assert counts("ForeignTableReads", record | {"userIdentity": ADMIN})
    management = {"eventSource": "dynamodb.amazonaws.com", "eventName": "DescribeTable", "eventCategory": "Management"}
    assert not counts("ForeignTableReads", management | {"userIdentity": ADMIN})


def test_the_excluded_functions_are_those_with_a_grant_for_the_table():
    vouchers = pieces()["vouchers"].source["Resources"]
    functions = {
        name
        for name, resource in vouchers.items()
        if resource["Type"] == "AWS::Serverless::Function"
        and "VouchersTable.Arn" in json.dumps(resource).replace('", "', ".")
    }
    left_out = vouchers["TableSessionsParameter"]["Properties"]["Value"]["Fn::Sub"].split(",")
    assert sorted(left_out) == [
        f"arn:${{AWS::Partition}}:sts::${{AWS::AccountId}}:assumed-role/${{{name}Role}}/" for name in sorted(functions)
    ]


@pytest.mark.parametrize(
    ("call", "parameters"),
    [
        ("ExportTableToPointInTime", {"tableArn": TABLE}),
        ("RestoreTableToPointInTime", {"sourceTableName": "vouchers"}),
        ("RestoreTableToPointInTime", {"sourceTableArn": TABLE}),
        ("RestoreTableFromBackup", {"backupArn": f"{TABLE}/backup/01489173575360-b308cd7d"}),
        ("EnableKinesisStreamingDestination", {"tableName": "vouchers"}),
    ],
)
def test_copies_of_the_whole_table_are_counted(call: str, parameters: dict[str, str]):
    record = {"eventSource": "dynamodb.amazonaws.com", "eventName": call, "eventCategory": "Management"}
    assert counts("TableCopies", record | {"requestParameters": parameters})
    other_parameters = {name: value.replace("vouchers", "other") for name, value in parameters.items()}
    assert not counts("TableCopies", record | {"requestParameters": other_parameters})
    assert not counts("TableCopies", record | {"requestParameters": parameters, "eventName": "DescribeTable"})


@pytest.mark.parametrize(
    "named",
    [
        {"requestParameters": {"keyId": KEY}, "resources": [{"accountId": "111122223333", "ARN": KEY}]},
        {"requestParameters": {"keyId": "alias/mine"}, "resources": [{"accountId": "111122223333", "ARN": KEY}]},
        {"requestParameters": {"keyId": "1234abcd"}, "errorCode": "AccessDenied"},
        {"requestParameters": {"keyId": KEY}, "errorCode": "AccessDenied"},
    ],
)
def test_the_key_of_codes_is_used_by_the_function_that_makes_them_alone(named: dict[str, Any]):
    record = {"eventSource": "kms.amazonaws.com", "eventName": "GenerateMac", "eventCategory": "Management", **named}
    for caller in OTHERS:
        assert counts("ForeignCodeKeyUse", record | {"userIdentity": caller}), caller
    assert not counts("ForeignCodeKeyUse", record | {"userIdentity": by_role(VALUES["GenerateChunkRoleArn"])})
    other = {"requestParameters": {"keyId": KEY.replace("1234", "4321")}, "userIdentity": USER}
    assert not counts("ForeignCodeKeyUse", record | other | {"resources": []})


@pytest.mark.parametrize("name", FILTERS)
def test_a_pattern_is_within_cloudwatchs_limit(name: str):
    """With names as long as CloudFormation makes them: 64 characters for a role, some 70 for a table of a nested stack."""
    longest = {each: "x" * (120 if each.endswith("Arn") else 70) for each in VALUES}
    assert len(pattern(name, longest)) <= 1024


def test_the_policy_of_the_key_denies_its_use_to_all_but_one_role():
    policy = pieces()["vouchers"].source["Resources"]["CodeKey"]["Properties"]["KeyPolicy"]["Statement"]
    (denied,) = [statement for statement in policy if statement["Effect"] == "Deny"]
    assert (denied["Principal"], denied["Action"], denied["Resource"]) == ("*", "kms:GenerateMac", "*")
    assert denied["Condition"] == {
        "ArnNotEquals": {"aws:PrincipalArn": {"Fn::GetAtt": ["GenerateChunkFunctionRole", "Arn"]}}
    }
