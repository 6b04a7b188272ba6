#!/usr/bin/env python3
"""What lies in mailboxes of the test mail server, read by Python's own imaplib and email and told as JSON.

  check_mail.py [--brief] HOST PORT CA USER/FOLDER...

PORT speaks IMAP with STARTTLS; every user's password is "secret". Prints {"USER/FOLDER": [mail, ...]}, in the order of the
uids. A mail has its headers (decoded, and raw where spelling matters) and, without --brief, its leaves: type, charset, file
name, the text or the SHA-256 and size of the content. Looks, and changes nothing: no flag is set.
"""
import email
import email.policy
import hashlib
import imaplib
import json
import ssl
import sys


def addresses(mail, name):
    header = mail[name]
    return [] if header is None else [{"name": a.display_name, "address": a.addr_spec} for a in header.addresses]


def leaf(part):
    content = part.get_payload(decode=True) or b""
    told = {
        "type": part.get_content_type(),
        "disposition": part.get_content_disposition(),
        "name": part.get_filename(),
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    if part.get_content_maintype() == "text":
        told["text"] = part.get_content()
    return told


def describe(raw, brief):
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    told = {
        "message_id": mail["Message-ID"],
        "token": mail.get_all("X-Liaison-Id", []),
        "subject": mail["Subject"],
        "from": addresses(mail, "From"),
        "to": addresses(mail, "To"),
        "cc": addresses(mail, "Cc"),
        "in_reply_to": mail["In-Reply-To"],
        "references": (mail["References"] or "").split(),
        "date": mail["Date"],
        "headers": sorted({name.lower() for name in mail.keys()}),
    }
    if not brief:
        told["defects"] = [type(d).__name__ for part in mail.walk() for d in part.defects]
        told["structure"] = [part.get_content_type() for part in mail.walk()]
        told["leaves"] = [leaf(part) for part in mail.walk() if not part.is_multipart()]
    return told


def read(host, port, context, place, brief):
    user, folder = place.rsplit("/", 1)
    with imaplib.IMAP4(host, port) as imap:
        imap.starttls(context)
        imap.login(user, "secret")
        status, answer = imap.select(folder, readonly=True)
        if status != "OK":
            sys.exit(f"{place}: {answer}")
        uids = imap.uid("SEARCH", "ALL")[1][0].split()
        what = "(BODY.PEEK[HEADER])" if brief else "(BODY.PEEK[])"
        found = []
        for uid in uids:
            status, answer = imap.uid("FETCH", uid.decode(), what)
            if status != "OK":
                sys.exit(f"{place}: uid {uid}: {answer}")
            found.append(describe(next(a[1] for a in answer if isinstance(a, tuple)), brief))
        return found


def main(arguments):
    brief = arguments[:1] == ["--brief"]
    if brief:
        arguments = arguments[1:]
    if len(arguments) < 4:
        sys.exit(__doc__)
    host, port, ca, places = arguments[0], int(arguments[1]), arguments[2], arguments[3:]
    context = ssl.create_default_context(cafile=ca)
    told = json.dumps({place: read(host, port, context, place, brief) for place in places}, ensure_ascii=False)
    # Headers with octets of no charset hold what UTF-8 has no form for.
    sys.stdout.buffer.write(told.encode("utf-8", "replace"))


main(sys.argv[1:])
