#!/usr/bin/env python3
"""Checks requests to webhooks as https://www.standardwebhooks.com says: signature, and a timestamp of about now.

Reads one JSON object a line, {"secret": "whsec_…", "headers": {…}, "body": "…"}, and prints "N good, by WHOM", or what is wrong
with the first bad one. With the specification's own package (pip install standardwebhooks) beside Python, that checks as well.
"""
import base64
import hashlib
import hmac
import json
import sys
import time

try:
    from standardwebhooks.webhooks import Webhook
except ImportError:
    Webhook = None

TOLERANCE = 5 * 60


def flaw(secret, headers, body):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    if abs(time.time() - int(headers["webhook-timestamp"])) > TOLERANCE:
        return "its timestamp is too old or too new"
    said = f'{headers["webhook-id"]}.{headers["webhook-timestamp"]}.{body}'.encode()
    expected = base64.b64encode(hmac.new(key, said, hashlib.sha256).digest()).decode()
    for signature in headers["webhook-signature"].split(" "):
        version, _, value = signature.partition(",")
        if version == "v1" and hmac.compare_digest(value, expected):
            break
    else:
        return "no signature is right"
    if Webhook is not None:
        Webhook(secret).verify(body, headers)
    return None


good = 0
for line in sys.stdin:
    request = json.loads(line)
    wrong = flaw(request["secret"], request["headers"], request["body"])
    if wrong:
        sys.exit(f"{wrong}: {line}")
    good += 1
print(f"{good} good, by hmac" + (" and standardwebhooks" if Webhook else ""))
