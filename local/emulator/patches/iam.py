"""Patches of IAM."""

import inspect
from collections.abc import Callable
from typing import Any

from local.credentials import ROOT_ACCESS_KEY_ID, derived, root_secret
from local.emulator.patch import NoLongerNeeded, patch, replace_in_function
from local.settings import STATE


def resolve_condition_key(name: str, value: Callable[[Any], Any]) -> None:
    """Let the condition key ``name`` have the ``value`` of a request's ``EvalContext``."""
    from ministack.core import iam_evaluator

    resolve = iam_evaluator._resolve_condition_key

    def resolved(key: str, context: Any) -> Any:
        return value(context) if key.lower() == name.lower() else resolve(key, context)

    iam_evaluator._resolve_condition_key = resolved


@patch(
    "secure-transport",
    area="permissions",
    aws="requests use TLS, and aws:SecureTransport is true in a bucket's policy",
    emulator="there is no TLS on loopback, so a bucket whose policy requires it refuses all requests",
    reason="the policy that requires TLS is deployed unchanged",
    upstream="not reported",
)
def report_loopback_as_secure() -> None:
    from ministack.core import iam_evaluator

    if "secure_transport" not in inspect.getsource(iam_evaluator._resolve_condition_key):
        raise NoLongerNeeded("aws:SecureTransport is unknown")
    # The emulator listens on loopback only, where no other machine can read a request.
    resolve_condition_key("aws:SecureTransport", lambda _: "true")


@patch(
    "principal-arn",
    area="permissions",
    aws="aws:PrincipalArn is the ARN of a session's role",
    emulator="it is the ARN of the session, so a policy that names roles by it allows no role",
    reason="the resource policy of the simulators uses it to allow the roles of the stage",
    upstream="not reported",
)
def resolve_principal_arn_to_role() -> None:
    from ministack.core import iam_evaluator
    from ministack.services import iam

    def role_or_user(context: Any) -> Any:
        if ":assumed-role/" not in context.principal_arn:
            return context.principal_arn
        name = iam_evaluator._role_name_from_assumed_arn(context.principal_arn)
        role = iam._roles.get_scoped(context.principal_account, None, name)
        return role["Arn"] if role else context.principal_arn

    resolve_condition_key("aws:PrincipalArn", role_or_user)


@patch(
    "root-signatures",
    area="permissions",
    aws="all signatures are verified, and only its owner knows root's secret",
    emulator=(
        "keys named test or like an account, and requests without a key, act as root without verification of the "
        "signature"
    ),
    reason=(
        "any program or web page could make any call, including running code; root's secret is random for each "
        "state folder"
    ),
    upstream="not reported",
)
def verify_root_signatures() -> None:
    from ministack.core import iam_evaluator

    iam_evaluator.__dict__["root_access_key_id"] = ROOT_ACCESS_KEY_ID
    iam_evaluator.__dict__["root_secret_access_key"] = root_secret(STATE)
    # Other modules have imported these functions, so their code is replaced in place.
    for name, old, new in (
        (
            "is_root_access_key",
            """(
        not access_key_id
        or access_key_id == "test"
        or access_key_id == configured_key
        or bool(_ACCOUNT_ID_RE.fullmatch(access_key_id))
    )""",
            "access_key_id == root_access_key_id",
        ),
        ("resolve_credential", 'os.environ.get("AWS_SECRET_ACCESS_KEY", "test")', "root_secret_access_key"),
        ("resolve_caller_identity", "_is_root_key(", "is_root_access_key("),
    ):
        original = getattr(iam_evaluator, name)
        replace_in_function(iam_evaluator, name, old, new)
        original.__code__ = getattr(iam_evaluator, name).__code__
    # Root's signatures are verified, too.
    iam_evaluator._is_root_key = lambda access_key_id: False


@patch(
    "function-keys",
    area="permissions",
    aws="the keys of a function's role are random",
    emulator="the secret is a digest of the function's name and role, which any program can compute",
    reason="a caller who knows a function's name could sign as its role",
    upstream="not reported",
)
def generate_secret_function_keys() -> None:
    from ministack.core import lambda_runtime

    replace_in_function(
        lambda_runtime,
        "execution_credentials",
        'hashlib.sha256(f"secret:{digest}".encode()).hexdigest()',
        'session_secret(f"secret:{digest}")',
    )
    secret = root_secret(STATE)
    lambda_runtime.__dict__["session_secret"] = lambda name: derived(secret, name)
