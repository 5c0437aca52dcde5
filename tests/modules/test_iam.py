"""The evaluation of policies in tests matches that of IAM."""

import pytest

from tests.modules.iam import allows, denies, matches

POLICY = """{"Statement": [
    {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/*"},
    {"Effect": "Deny", "Action": "s3:*", "Resource": ["*"],
     "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
]}"""


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("a*c", "ac", True),
        ("a*c", "a.b:c/c", True),
        ("a*c", "a\nc", True),
        ("a?c", "abc", True),
        ("a?c", "a.c", True),
        ("a?c", "ac", False),
        ("a?c", "abbc", False),
        ("abc", "ABC", False),
        ("a[b]c", "abc", False),
        ("a[b]c", "a[b]c", True),
        ("a.c", "abc", False),
        ("abc", "abcd", False),
    ],
)
def test_only_the_star_and_the_question_mark_are_wild(pattern: str, text: str, *, expected: bool) -> None:
    assert matches(pattern, text) is expected


@pytest.mark.parametrize(
    ("action", "resource", "secure", "expected"),
    [
        ("s3:GetObject", "arn:aws:s3:::b/k", "true", True),
        ("S3:getobject", "arn:aws:s3:::b/k", "true", True),
        ("s3:GetObject", "arn:aws:s3:::b/k", "false", False),
        ("s3:PutObject", "arn:aws:s3:::b/k", "true", False),
        ("s3:GetObject", "arn:aws:s3:::B/k", "true", False),
    ],
)
def test_a_denial_wins_and_silence_allows_nothing(action: str, resource: str, secure: str, *, expected: bool) -> None:
    assert allows(POLICY, action, resource, {"aws:SecureTransport": secure}) is expected


def test_a_condition_on_an_absent_key_does_not_hold() -> None:
    assert not denies(POLICY, "s3:GetObject", "arn:aws:s3:::b/k")


@pytest.mark.parametrize(
    "statement",
    [
        '{"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": "*"}',
        '{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"IpAddress": {"k": "v"}}}',
    ],
)
def test_what_it_has_no_notion_of_is_an_error(statement: str) -> None:
    with pytest.raises(ValueError, match="no notion of"):
        allows(f'{{"Statement": [{statement}]}}', "s3:GetObject", "*", {"k": "v"})
