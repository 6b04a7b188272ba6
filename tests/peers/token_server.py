"""A provider that signs people in (OAuth 2), for tests: authorize with PKCE, device codes, refresh tokens that rotate.

    token_server.py PORT     serves on 127.0.0.1:PORT until it is killed

Nothing is secret here: a token says what it is. Access token `tok:USER:EXPIRY:N`, refresh token `ref:USER:N`; any USER
exists. What a test wants it to do it says by POST /control?user=USER with a form of these fields, which hold for that user:
    life=SECONDS      how long access tokens live (3600)
    rotate=yes|no     whether each refresh gives a new refresh token and ends the old one (no)
    fail=N:STATUS     the next N requests for a token are answered STATUS without a body worth reading
    cut=N             the next N refreshes are done, and the connection is closed before the answer
    delay=SECONDS     each refresh takes so long
    revoke=yes        every refresh token given so far is taken back
GET /seen?user=USER tells as JSON what was asked for this user: refreshes (done), asked, given (refresh tokens that hold).
GET /authorize asks nothing of anybody: it sends back a code at once, for the mailbox named by `as` or else `login_hint`;
`deny=yes` sends back a refusal. POST /device, then GET /device/approve?user_code=CODE&user=USER.
POST /introspect is what the mail server asks (RFC 7662).
"""
import base64
import hashlib
import json
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CLIENT, SECRET = "test-client", "test-secret"
lock = threading.Lock()
codes, devices, users = {}, {}, {}
counter = [0]


def number():
    counter[0] += 1
    return counter[0]


def of(user):
    return users.setdefault(
        user,
        {"life": 3600.0, "rotate": False, "fail": 0, "status": 503, "cut": 0, "delay": 0.0, "held": set(), "asked": 0, "refreshes": 0},
    )


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, headers=()):
        octets = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(octets)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(octets)

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        query = {k: v[0] for k, v in urllib.parse.parse_qs(url.query).items()}
        if url.path == "/authorize":
            return self.authorize(query)
        if url.path == "/device/approve":
            with lock:
                for device in devices.values():
                    if device["user_code"] == query.get("user_code"):
                        device["user"] = query["user"]
                        return self.answer(200, {})
            return self.answer(404, {})
        if url.path == "/seen":
            with lock:
                seen = of(query["user"])
                told = {"refreshes": seen["refreshes"], "asked": seen["asked"], "given": sorted(seen["held"])}
            return self.answer(200, told)
        self.answer(404, {})

    def authorize(self, q):
        redirect = q.get("redirect_uri", "")
        wrong = [name for name in ("redirect_uri", "state", "code_challenge", "scope") if not q.get(name)]
        if q.get("client_id") != CLIENT or q.get("response_type") != "code" or q.get("code_challenge_method") != "S256":
            wrong.append("client_id, response_type or code_challenge_method")
        if wrong:
            return self.answer(400, {"error": "invalid_request", "error_description": ", ".join(wrong)})
        if q.get("deny") == "yes":
            back = {"error": "access_denied", "error_description": "the person said no", "state": q["state"]}
        else:
            with lock:
                code = f"code/{number()}"
                user = q.get("as") or q.get("login_hint")
                codes[code] = {"user": user, "redirect": redirect, "challenge": q["code_challenge"]}
            back = {"code": code, "state": q["state"]}
        joint = "&" if "?" in redirect else "?"
        self.answer(302, {}, [("Location", redirect + joint + urllib.parse.urlencode(back))])

    def do_POST(self):
        url = urllib.parse.urlparse(self.path)
        query = {k: v[0] for k, v in urllib.parse.parse_qs(url.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        form = {k: v[0] for k, v in urllib.parse.parse_qs(self.rfile.read(length).decode()).items()}
        if url.path == "/introspect":
            return self.introspect(form)
        if url.path == "/control":
            return self.control(query["user"], form)
        if url.path == "/device":
            return self.device(form)
        if url.path == "/token":
            return self.token(form)
        self.answer(404, {})

    def introspect(self, form):
        try:
            _, user, expiry, _ = form.get("token", "").split(":")
            live = float(expiry) > time.time()
        except ValueError:
            live = False
        if not live:
            return self.answer(200, {"active": False})
        self.answer(200, {"active": True, "username": user, "sub": user, "exp": int(float(expiry)), "scope": "mail"})

    def control(self, user, form):
        with lock:
            seen = of(user)
            for name, read in (("life", float), ("delay", float), ("cut", int), ("rotate", lambda v: v == "yes")):
                if name in form:
                    seen[name] = read(form[name])
            if "fail" in form:
                seen["fail"], seen["status"] = (int(n) for n in form["fail"].split(":"))
            if form.get("revoke") == "yes":
                seen["held"].clear()
        self.answer(200, {})

    def device(self, form):
        if form.get("client_id") != CLIENT or not form.get("scope"):
            return self.answer(401, {"error": "invalid_client"})
        with lock:
            n = number()
            devices[f"dev:{n}"] = {"user_code": f"CODE-{n}", "user": None}
        port = self.server.server_address[1]
        self.answer(200, {"device_code": f"dev:{n}", "user_code": f"CODE-{n}", "interval": 1, "expires_in": 300,
                          "verification_uri": f"http://127.0.0.1:{port}/device/approve"})

    def token(self, form):
        if form.get("client_id") != CLIENT or form.get("client_secret", SECRET) != SECRET:
            return self.answer(401, {"error": "invalid_client", "error_description": "no such client"})
        grant = form.get("grant_type")
        if grant == "authorization_code":
            return self.exchange(form)
        if grant == "refresh_token":
            return self.refresh(form)
        if grant == "urn:ietf:params:oauth:grant-type:device_code":
            with lock:
                device = devices.get(form.get("device_code"))
                if device and device["user"]:
                    devices.pop(form["device_code"])
                    return self.answer(200, self.grant(device["user"], True))
            return self.answer(400, {"error": "authorization_pending" if device else "expired_token"})
        self.answer(400, {"error": "unsupported_grant_type"})

    def exchange(self, form):
        with lock:
            code = codes.pop(form.get("code"), None)
            digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if not code or code["redirect"] != form.get("redirect_uri") or code["challenge"] != challenge:
                return self.answer(400, {"error": "invalid_grant", "error_description": "code, redirect or verifier"})
            self.answer(200, self.grant(code["user"], True))

    def refresh(self, form):
        given = form.get("refresh_token", "")
        user = given.split(":")[1] if given.count(":") == 2 else ""
        with lock:
            seen = of(user)
            seen["asked"] += 1
            delay = seen["delay"]
            if seen["fail"] > 0:
                seen["fail"] -= 1
                return self.answer(seen["status"], {"message": "not now"})
            if given not in seen["held"]:
                return self.answer(400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."})
        # Outside of the lock: who asks meanwhile is to be seen.
        time.sleep(delay)
        with lock:
            seen["refreshes"] += 1
            if seen["rotate"]:
                seen["held"].discard(given)
            answer = self.grant(user, seen["rotate"])
            cut = seen["cut"] > 0
            seen["cut"] -= cut
        if cut:
            self.close_connection = True
            return self.connection.close()
        self.answer(200, answer)

    def grant(self, user, with_refresh):
        seen, n = of(user), number()
        life = seen["life"]
        answer = {"access_token": f"tok:{user}:{time.time() + life:.3f}:{n}", "token_type": "Bearer", "expires_in": max(1, int(life))}
        if with_refresh:
            token = f"ref:{user}:{n}"
            seen["held"].add(token)
            answer["refresh_token"] = token
        return answer


class Server(ThreadingHTTPServer):
    request_queue_size = 500
    daemon_threads = True


Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
