"""Says of each request on standard input (a line of JSON: headers, body) whether the library `standardwebhooks` takes it for genuine.

python webhooks.py SECRET
"""
import json
import sys

from standardwebhooks.webhooks import Webhook

hook = Webhook(sys.argv[1])
for line in sys.stdin:
    request = json.loads(line)
    try:
        hook.verify(request["body"], request["headers"])
        print("genuine", flush=True)
    except Exception as error:  # whatever it raises is a no
        print(f"{type(error).__name__}: {error}", flush=True)
