"""Signs what Twilio posts, by Twilio's own library: each line of JSON in (token, url, and pairs of a form or a body) is a signature out."""

import json
import sys

from twilio.request_validator import RequestValidator


class Form(dict):
    """Names that may be there more than once, as web frameworks hand them to the library."""

    def getall(self, name):
        return self[name]


for line in sys.stdin:
    asked = json.loads(line)
    validator = RequestValidator(asked["token"])
    fields = Form()
    for name, value in asked.get("fields") or []:
        fields.setdefault(name, []).append(value)
    signature = validator.compute_signature(asked["url"], fields)
    # The library takes what it signed, as whoever posts would have it looked at.
    body = asked.get("body")
    assert validator.validate(asked["url"], body if body is not None else fields, signature), asked
    print(signature, flush=True)
