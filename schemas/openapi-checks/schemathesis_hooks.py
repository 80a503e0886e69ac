"""Signs requests like a phone, and checks refusals.

A request that the schema allows may be refused only by a rule that no schema can express.
"""

import datetime
import hashlib
import hmac
import json
import os
import pathlib
import re
import time

import schemathesis

CREDENTIALS = json.loads(pathlib.Path(os.environ["SYNCWELL_CREDENTIALS"]).read_text())
SIGNS = not os.environ.get("UNSIGNED")
REFUSALS = (400, 413, 415, 422)

# Operation, status and pointer (or "") of refusals by rules between fields, or rules of the clock, the configuration or the
# token. A new entry needs a reason.
UNTELLABLE = [
    # `from` is after `to`, or more than 366 dates.
    ("GET /v1/summaries", 400, r""),
    # The date is in the future or before 2010; the summary was made before its date begins or ahead of the server; a workout
    # starts on another date, or is there twice.
    ("POST /v1/summaries", 422, r"/date|/generated_at|/workouts/\d+/start_time|/workouts/\d+"),
    # The provider is not configured; the redirect URI is not allowed.
    ("POST /v1/connections", 422, r"/provider|/redirect_uri"),
    # Not the token's user.
    ("POST /v1/erasures", 422, r"/user_id"),
    # Not a state of this connection.
    ("POST /v1/connections/{connection_id}/authorize", 422, r""),
    # `device_id` without the headers of a signature.
    ("POST /v1/devices", 400, r""),
]


class Signature:
    def __call__(self, request):
        if SIGNS and "X-Sync-Timestamp" in request.headers:
            body = request.body or b""
            body = body.encode() if isinstance(body, str) else body
            now = str(int(time.time()))
            key = bytes.fromhex(CREDENTIALS["signing_key_hex"])
            request.headers["X-Sync-Timestamp"] = now
            request.headers["X-Sync-Signature"] = hmac.new(key, now.encode() + b"." + body, hashlib.sha256).hexdigest()
            request.headers["X-Sync-Key-Id"] = CREDENTIALS["key_id"]
        return request


def is_calendar_date(text):
    try:
        return bool(datetime.date.fromisoformat(text))
    except ValueError:
        return False


def problem_of(response):
    try:
        return json.loads(response.content)
    except ValueError:
        return {}


def is_untellable(operation, status, pointer):
    return any(
        operation == rule_operation and status == rule_status and re.fullmatch(rule, pointer)
        for rule_operation, rule_status, rule in UNTELLABLE
    )


@schemathesis.hook
def before_call(context, case, kwargs):
    kwargs["auth"] = Signature()


@schemathesis.check
def refusals_are_untellable(context, response, case):
    status = response.status_code
    if status not in REFUSALS:
        return
    problem = problem_of(response)
    timestamp = response.request.headers.get("X-Sync-Timestamp", "")
    if problem.get("code") == "invalid_header" and not is_calendar_date(timestamp[:10]):
        # The pattern allows 30 February.
        return
    operation = f"{case.method.upper()} {case.operation.path}"
    for pointer in [error["pointer"] for error in problem.get("errors", [])] or [""]:
        if not is_untellable(operation, status, pointer):
            detail = problem.get("errors") or problem.get("detail")
            raise AssertionError(f"{status} {problem.get('code')} {pointer}: {detail}")
