#!/usr/bin/env python3
"""Mail of a sequence as it lies in mailboxes of the test mail server, judged by Python's own imaplib and email.

  check_sequence.py HOST PORT CA BASE_URL USER/FOLDER...

PORT speaks IMAP with STARTTLS; every user's password is "secret". BASE_URL is where links of the hub lead. Prints
{"USER/FOLDER": [mail, ...]}, in the order of the uids. A mail tells its headers, its texts, the links of ours in it, and
"faults": in words, what no mail of a sequence may be. Nothing of the hub is asked, and no flag is set.

There is no key here to sign with: for DKIM it is looked at whether the mail can be signed, which is that every header a
signer takes is there once and that the mail is well-formed; and "body_hash" is the bh= a signer would write (RFC 6376,
relaxed), so that two copies can be compared.
"""
import base64
import email
import email.policy
import hashlib
import html.parser
import imaplib
import json
import re
import ssl
import sys

ONCE = ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"]
AT_MOST_ONCE = ["Cc", "Reply-To", "In-Reply-To", "References", "List-Unsubscribe", "List-Unsubscribe-Post", "Sender"]
LINE_MAX = 998
LINE_WISHED = 78


class Links(html.parser.HTMLParser):
    """The links and pictures of an HTML part, and what can be read of it."""

    def __init__(self):
        super().__init__()
        self.links, self.pictures, self.text = [], [], []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "a" and attributes.get("href"):
            hidden = "display:none" in attributes.get("style", "").replace(" ", "")
            self.links.append({"url": attributes["href"], "hidden": hidden})
        if tag == "img":
            self.pictures.append(attributes.get("src", ""))

    def handle_data(self, data):
        self.text.append(data)


def fields_of(head):
    """Each header field as (name, octets of the whole field), folded lines with the one they belong to."""
    fields = []
    for line in head.split(b"\r\n"):
        if line[:1] in (b" ", b"\t"):
            if not fields:
                raise ValueError("the head begins with a folded line")
            fields[-1][1].append(line)
        elif line:
            name, colon, _ = line.partition(b":")
            if not colon or not re.fullmatch(rb"[!-9;-~]+", name):
                raise ValueError(f"no header field: {line[:60]!r}")
            fields.append((name.decode(), [line]))
    return fields


def line_faults(raw):
    faults = []
    if re.search(rb"(?<!\r)\n|\r(?!\n)", raw):
        faults.append("a line end is not CRLF")
    if b"\0" in raw:
        faults.append("NUL")
    for line in raw.split(b"\r\n"):
        if len(line) > LINE_MAX:
            faults.append(f"a line of {len(line)} octets: {line[:40]!r}")
    return faults


def header_faults(fields):
    faults = []
    names = [name.lower() for name, _ in fields]
    for name in ONCE:
        if names.count(name.lower()) != 1:
            faults.append(f"{name} is there {names.count(name.lower())} times")
    for name in AT_MOST_ONCE:
        if names.count(name.lower()) > 1:
            faults.append(f"{name} is there {names.count(name.lower())} times")
    for name, lines in fields:
        if name.lower() in ("received", "return-path", "delivered-to"):
            continue
        for line in lines:
            if any(octet > 126 or (octet < 32 and octet != 9) for octet in line):
                faults.append(f"{name} has octets that are not printable ASCII")
            if not line.strip():
                faults.append(f"{name} is folded with an empty line")
            # RFC 5322 wishes for 78. Only what has no place to fold may be longer: a URL, an id; and a name with its
            # address, which are written on one line here.
            apart = b" " in line.strip().removeprefix(name.encode() + b": ")
            if len(line) > LINE_WISHED and apart and name not in ("From", "To"):
                faults.append(f"{name} has a line of {len(line)} octets that could be folded")
    return faults


def unsubscribe_faults(mail, base_url):
    value = mail["List-Unsubscribe"]
    if value is None or mail["List-Unsubscribe-Post"] is None:
        return ["no List-Unsubscribe or no List-Unsubscribe-Post"]
    faults = []
    if mail["List-Unsubscribe-Post"].strip() != "List-Unsubscribe=One-Click":
        faults.append(f"List-Unsubscribe-Post: {mail['List-Unsubscribe-Post']}")
    ways = re.fullmatch(r"<([^<>\s]+)>,\s*<([^<>\s]+)>", value.strip())
    if ways is None:
        return faults + [f"List-Unsubscribe: {value}"]
    if not ways[1].startswith("https://") or not ways[1].startswith(base_url + "/u/"):
        faults.append(f"List-Unsubscribe: {ways[1]} is no page of the hub")
    if not re.fullmatch(r"mailto:[^?@]+@[^?@]+\?subject=unsubscribe%20[A-Za-z0-9_-]+", ways[2]):
        faults.append(f"List-Unsubscribe: {ways[2]}")
    return faults


def relaxed_body_hash(body):
    """bh= by RFC 6376 §3.4.4: blanks at line ends go, runs of blanks are one, empty lines at the end go."""
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    content = b"".join(line + b"\r\n" for line in lines)
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def texts_of(mail):
    texts = {}
    for part in mail.walk():
        if not part.is_multipart() and part.get_content_maintype() == "text":
            texts.setdefault(part.get_content_type(), []).append(part.get_content())
    return texts


def text_faults(mail, texts):
    faults = [f"{type(d).__name__}" for part in mail.walk() for d in part.defects]
    if mail.get_content_type() != "multipart/alternative":
        faults.append(f"{mail.get_content_type()} instead of text and HTML as alternatives")
    if [part.get_content_type() for part in mail.walk()][1:] != ["text/plain", "text/html"]:
        faults.append("text and HTML are not there once each, in this order")
    for kind, all_of_kind in texts.items():
        for text in all_of_kind:
            for mark in ("{{", "}}", "{%", "undefined"):
                if mark in text:
                    faults.append(f"{kind} has {mark} left in it")
            if "\ufffd" in text:
                faults.append(f"{kind} has what its charset can't say")
    if any(mark in (mail["Subject"] or "") for mark in ("{{", "}}", "{%")):
        faults.append("the subject has a mark of a template left in it")
    return faults


def judge(raw, base_url):
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    head, blank, body = raw.partition(b"\r\n\r\n")
    texts = texts_of(mail)
    faults = line_faults(raw) + text_faults(mail, texts) + unsubscribe_faults(mail, base_url)
    try:
        faults += header_faults(fields_of(head))
    except ValueError as wrong:
        faults.append(str(wrong))
    if not blank:
        faults.append("no body")
    page = "".join(texts.get("text/html", []))
    seen = Links()
    seen.feed(page)
    ways = re.findall(r"<([^<>\s]+)>", mail["List-Unsubscribe"] or "")
    return {
        "faults": faults,
        "message_id": mail["Message-ID"],
        "subject": mail["Subject"],
        "from": [a.addr_spec for a in mail["From"].addresses],
        "to": [a.addr_spec for a in mail["To"].addresses],
        "in_reply_to": mail["In-Reply-To"],
        "references": (mail["References"] or "").split(),
        "unsubscribe": ways,
        "text": "".join(texts.get("text/plain", [])),
        "html_text": " ".join("".join(seen.text).split()),
        "links": [link["url"] for link in seen.links if not link["hidden"]],
        "hidden": [link["url"] for link in seen.links if link["hidden"]],
        "pixels": [url for url in seen.pictures if url.startswith(base_url + "/t/o/")],
        "body_hash": relaxed_body_hash(body),
    }


def read(imap, place, base_url):
    user, folder = place.rsplit("/", 1)
    imap.login(user, "secret")
    status, answer = imap.select(folder, readonly=True)
    if status != "OK":
        sys.exit(f"{place}: {answer}")
    found = []
    for uid in imap.uid("SEARCH", "ALL")[1][0].split():
        status, answer = imap.uid("FETCH", uid.decode(), "(BODY.PEEK[])")
        if status != "OK":
            sys.exit(f"{place}: uid {uid}: {answer}")
        found.append(judge(next(a[1] for a in answer if isinstance(a, tuple)), base_url))
    return found


def main(arguments):
    if len(arguments) < 5:
        sys.exit(__doc__)
    host, port, ca, base_url, places = arguments[0], int(arguments[1]), arguments[2], arguments[3], arguments[4:]
    context = ssl.create_default_context(cafile=ca)
    told = {}
    for place in places:
        with imaplib.IMAP4(host, port) as imap:
            imap.starttls(context)
            told[place] = read(imap, place, base_url)
    json.dump(told, sys.stdout, ensure_ascii=True)


main(sys.argv[1:])
