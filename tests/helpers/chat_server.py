"""A small OpenAI-compatible server that can be told to fail."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Answers a chat with the last word of its sentence as a mention, and keeps the requests.

    Attributes:
        fail: called with the number of a request; its status is sent in place of an answer, if it is one.
        dies_at: the number of the request from which on nothing is answered any more.
        error: what is said where it fails.
        message: in place of the answer's message.
        logprobs: whether each letter of an answer is sent with a log-probability, as if it were a token.
        content: called with the number of a request; sent in place of an answer, unless it is None.
        meeting: a barrier at which requests wait for each other.
    """

    def __init__(self, port=0):
        self.requests = []
        self.headers = []
        self.fail = lambda number: None
        self.dies_at = None
        self.message = None
        self.logprobs = False
        self.content = lambda number: None
        self.error = "not now"
        self.meeting = None
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer._lock:
                    outer.requests.append(body)
                    outer.headers.append(dict(self.headers))
                    number = len(outer.requests)
                if outer.meeting is not None:
                    outer.meeting.wait()
                if outer.dies_at is not None and number >= outer.dies_at:
                    self.close_connection = True
                    return
                status = outer.fail(number)
                made = {"error": outer.error} if status else outer.content(number)
                content = json.dumps(outer.reply(body) if made is None else made).encode()
                self.send_response(status or 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/v1/chat/completions"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def reply(self, body):
        message = self.message or {"role": "assistant", "content": answer(body["messages"])}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        if self.logprobs:
            choice["logprobs"] = {"content": letters(message["content"])}
        return {"choices": [choice]}

    @property
    def prompts(self):
        return [json.dumps(body["messages"]) for body in self.requests]

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


def answer(messages):
    word = messages[-1]["content"].split("Sentence: ")[-1].split("\n")[0].split()[-1]
    return json.dumps({"Disease": [word.rstrip(".")]})


def letters(text):
    return [{"token": letter, "logprob": -1 / (2 + place)} for place, letter in enumerate(text)]
