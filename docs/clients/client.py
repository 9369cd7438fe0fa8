"""A client in Python's standard library, sound unless DEFECT says otherwise: by command or as a driver."""
import calendar
import email.utils
import http.client
import json
import os
import random
import socket
import sys
import threading
import time
import urllib.parse
import uuid

DEFECT = os.environ.get("DEFECT", "")
MAX_ATTEMPTS = 8 if DEFECT == "no-cap" else 3


class ApiError(Exception):
    def __init__(self, kind, message, effect="none"):
        super().__init__(message)
        self.kind, self.message, self.effect = kind, message, effect


def pause(attempt, retry_after):
    wait = min(2.0, 0.2 * 2**attempt)
    backoff = wait if DEFECT == "no-jitter" else random.uniform(0, wait)
    if retry_after is None or DEFECT == "ignores-retry-after":
        return backoff
    if retry_after.isdigit():
        return max(backoff, float(retry_after))
    when = email.utils.parsedate(retry_after)  # all three forms of HTTP dates are GMT
    return max(backoff, calendar.timegm(when) - time.time() if when else 0)


def send(base, writes, ref, body, headers, limit):
    """One attempt. A socket's timeout is between bytes: a timer ends what drips."""
    timeout = None if DEFECT == "no-deadline" else limit
    link = http.client.HTTPConnection(urllib.parse.urlsplit(base).netloc, timeout=timeout)
    timer = threading.Timer(limit, lambda: link.sock and link.sock.shutdown(socket.SHUT_RDWR))
    if timeout:
        timer.start()
    try:
        link.request("POST" if writes else "GET", "/payments" + ("" if writes else f"/{ref}"), body, headers)
        answer = link.getresponse()
        return answer.status, answer.getheader("Retry-After"), answer.read()
    finally:
        timer.cancel()
        link.close()


def call(base, secret, operation, ref, amount):
    writes, deadline = operation == "create", time.monotonic() + 6
    headers = {"Authorization": f"Bearer {secret}", "X-Request-Id": ref, "User-Agent": "stdlib"}
    unknown = False
    for attempt in range(MAX_ATTEMPTS):
        left = deadline - time.monotonic()
        if writes and DEFECT != "unkeyed":
            headers["Idempotency-Key"] = str(uuid.uuid4()) if DEFECT == "new-key" else f"key-{ref}-{amount}"
        body = json.dumps({"reference": ref, "amount": int(amount)}).encode() if writes else None
        retry_after = None
        try:
            status, retry_after, text = send(base, writes, ref, body, headers, max(0.05, min(1.0, left)))
            if status < 300:
                return json.loads(text)
            unknown = unknown or (writes and status >= 500)
            failure = ApiError("RateLimited" if status == 429 else "Refused", f"answered {status}",
                               "unknown" if unknown else "none")
            if status not in (429, 502, 503, 504):
                raise failure
        except (OSError, ValueError, http.client.HTTPException) as error:
            unknown = unknown or writes
            failure = ApiError("Timeout" if isinstance(error, TimeoutError) else "Lost", "no answer")
        wait = pause(attempt, retry_after)
        late = DEFECT != "no-deadline" and time.monotonic() + wait > deadline
        if attempt + 1 >= MAX_ATTEMPTS or late or (wait > 5 and DEFECT != "no-cap"):
            break
        time.sleep(wait)
    failure.effect = "unknown" if unknown else "none"
    if DEFECT == "secret-in-error":
        failure.message += f" with {headers}"
    raise failure


LOCK = threading.Lock()


def say(message):
    with LOCK:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def told(error):
    return {"type": error.kind, "message": error.message, "effect": error.effect, "dump": error.message}


def do(message, open_):
    try:
        args = message["args"]
        say({"id": message["id"], "ok": call(open_["base_url"], open_["secrets"]["api_key"], message["do"],
                                             args["ref"], args["amount"])})
    except ApiError as error:
        say({"id": message["id"], "error": told(error)})


if "GALEPROOF_OPERATION" in os.environ:
    env = os.environ
    try:
        say(call(env["GALEPROOF_BASE_URL"], env["GALEPROOF_SECRET_API_KEY"], env["GALEPROOF_OPERATION"],
                 env["GALEPROOF_REF"], env["GALEPROOF_AMOUNT"]))
    except ApiError as error:
        print(error.message, file=sys.stderr)
        say({"error": told(error)})
        sys.exit(1)
else:
    for line in sys.stdin:
        message = json.loads(line)
        if "open" in message:
            opened = message["open"]
            say({"ready": {"operations": {"fetch": "read", "create": "write"}, "library": "urllib"}})
        elif "do" in message:
            threading.Thread(target=do, args=(message, opened)).start()
        elif message.get("close"):
            os._exit(0)
