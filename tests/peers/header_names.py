"""Says which headers mails have, by Python's own parser: each mail on stdin after its length (4 octets), one line each out."""
import email
import email.policy
import sys

while head := sys.stdin.buffer.read(4):
    raw = sys.stdin.buffer.read(int.from_bytes(head, "big"))
    mail = email.message_from_bytes(raw, policy=email.policy.compat32)
    print(" ".join(sorted(name.lower() for name in mail.keys())))
