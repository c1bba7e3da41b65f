"""Replies and faults in the form in which boto3 gives them."""

from __future__ import annotations

from typing import Any

from flowy_sim._engine.faults import Fault
from flowy_sim._engine.model import service_model

CONTENT_TYPE = "application/x-amz-json-1.0"


def metadata(request_id: str, status: int = 200) -> dict[str, Any]:
    """Return the ``ResponseMetadata`` of a reply or a fault."""
    return {
        "RequestId": request_id,
        "HTTPStatusCode": status,
        "HTTPHeaders": {"x-amzn-requestid": request_id, "content-type": CONTENT_TYPE},
        "RetryAttempts": 0,
    }


def parsed_fault(fault: Fault, request_id: str) -> dict[str, Any]:
    """Return a fault as the ``response`` of botocore's ``ClientError``."""
    parsed: dict[str, Any] = {
        "Error": {"Message": fault.message or "", "Code": fault.code},
        "ResponseMetadata": metadata(request_id, status=400),
    }
    if fault.message is not None and service_model().shape_for_error_code(fault.code):
        parsed["message"] = fault.message
    return parsed
