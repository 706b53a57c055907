"""Who the caller is and which roles there are, as far as AWS clients ask before they start a job.

There is one owner and one key. Roles are met by nature: programs run as the owner, so every role that is asked for is
there, trusts the service, and may do everything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

from pegbox.api.paging import Handler
from pegbox.errors import ValidationException

#: Roles were never made, so they have always been there.
_SINCE = datetime(2020, 1, 1, tzinfo=timezone.utc)
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def iam_handlers(account: str) -> dict[str, Handler]:
    """Return the handlers of role operations by operation name.

    Args:
        account: Account number that ARNs carry.
    """

    def get_role(params: Mapping[str, Any]) -> Mapping[str, Any]:
        name = str(params["RoleName"])
        return {
            "Role": {
                "Path": "/",
                "RoleName": name,
                "RoleId": "AROA" + _identifier(account, name),
                "Arn": f"arn:aws:iam::{account}:role/{name}",
                "CreateDate": _SINCE,
                "AssumeRolePolicyDocument": quote(json.dumps(_TRUST)),
                "Description": "Programs run as the owner of this server",
                "MaxSessionDuration": 43200,
            }
        }

    def simulate_principal_policy(params: Mapping[str, Any]) -> Mapping[str, Any]:
        if params.get("Marker"):
            raise ValidationException(
                f"Marker = {params['Marker']!r}: answers have one page only; leave it out"
            )
        results = [
            {"EvalActionName": action, "EvalResourceName": resource, "EvalDecision": "allowed"}
            for action in params["ActionNames"]
            for resource in params.get("ResourceArns") or ["*"]
        ]
        return {"EvaluationResults": results, "IsTruncated": False}

    return {"GetRole": get_role, "SimulatePrincipalPolicy": simulate_principal_policy}


def sts_handlers(account: str) -> dict[str, Handler]:
    """Return the handlers of identity operations by operation name.

    Args:
        account: Account number that ARNs carry.
    """

    def get_caller_identity(params: Mapping[str, Any]) -> Mapping[str, Any]:
        return {
            "UserId": "AIDA" + _identifier(account, "owner"),
            "Account": account,
            "Arn": f"arn:aws:iam::{account}:user/owner",
        }

    return {"GetCallerIdentity": get_caller_identity}


def _identifier(account: str, name: str) -> str:
    """Return 17 capitals and digits that stand for a name."""
    return hashlib.sha256(f"{account}/{name}".encode()).hexdigest().upper()[:17]
