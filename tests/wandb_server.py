"""A W&B server on this machine: as much of it as a run, a sweep and an agent ask for.

Whatever they sent is in its attributes. `wandb agent` exits with 0 even where every run failed, so
that tests look here.
"""

import base64
import json
import os
import re
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import urlopen

import yaml
from lightning.pytorch.callbacks import Callback

KEY = "a" * 40
NAMED = re.compile(r"(?:query|mutation)\s+(\w+)")
"""The name of GraphQL's operation."""
OWNER = {"id": "e", "name": "tester"}


@dataclass
class Run:
    """What the server knows of one."""

    args: dict = field(default_factory=dict)  # handed out by a sweep
    config: dict = field(default_factory=dict)  # sent by the run, as everything below
    sweep: str | None = None
    history: list = field(default_factory=list)
    summary: dict = field(default_factory=dict)
    files: set = field(default_factory=set)
    exit_code: int | None = None

    def values(self, name):
        """A metric over the run."""
        return [line[name] for line in self.history if name in line]


class WandbServer(ThreadingHTTPServer):
    """Serves from a thread of its own until it is closed.

    Args:
        dies_after: Lines of history after which it is gone, and `dead` is set.
    """

    daemon_threads = True

    def __init__(self, dies_after=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.dies_after, self.dead = dies_after, threading.Event()
        self.sweeps, self.agents, self.runs, self.refused = {}, {}, {}, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
        self.dead.set()

    def run(self, name):
        return self.runs.setdefault(name, Run())

    def query(self, name, given):  # noqa: PLR0911 (one a case)
        """The answer to one of GraphQL's operations."""
        match name:
            case "Viewer":
                teams = {"edges": []}
                person = {"id": "u", "username": "tester", "entity": "tester"}
                return {"viewer": person | {"flags": "{}", "teams": teams}}
            case "UpsertSweep":
                number = f"sweep{len(self.sweeps)}"
                self.sweeps[number] = yaml.safe_load(given["config"])
                project = {"id": "p", "name": given["projectName"], "entity": OWNER}
                sweep = {"name": number, "project": project}
                return {"upsertSweep": {"sweep": sweep, "configValidationWarnings": []}}
            case "SweepWithRuns":
                config = yaml.safe_dump(self.sweeps[given["sweep"]])
                sweep = {"id": "s", "name": given["sweep"], "config": config, "runs": {"edges": []}}
                return {"project": {"sweep": sweep}}
            case "CreateAgent":
                self.agents[number := f"agent{len(self.agents)}"] = given["sweep"]
                return {"createAgent": {"agent": {"id": number}}}
            case "Heartbeat":
                busy = json.loads(given["runState"])
                commands = [] if busy else [self.hand_out(self.agents[given["id"]])]
                agent = {"id": given["id"]}
                return {"agentHeartbeat": {"agent": agent, "commands": json.dumps(commands)}}
            case "UpsertBucket":
                run = self.run(given["name"])
                run.sweep = given.get("sweep") or run.sweep
                sent = json.loads(given.get("config") or "{}")
                run.config |= {key: item["value"] for key, item in sent.items()}
                project = {"id": "p", "name": given.get("project") or "p", "entity": OWNER}
                bucket = {"id": given["name"], "name": given["name"], "project": project}
                bucket |= {"displayName": given["name"], "config": "{}", "sweepName": run.sweep}
                return {"upsertBucket": {"bucket": bucket, "inserted": True}}
            case "CreateRunFiles":
                links = [
                    {"name": file, "uploadUrl": f"{self.url}/upload/{given['run']}/{file}"}
                    for file in given["files"]
                ]
                return {
                    "createRunFiles": {"runID": given["run"], "uploadHeaders": [], "files": links}
                }

    def hand_out(self, sweep):
        """The next run of a sweep: of every parameter the first value, then the next."""
        turn = sum(run.sweep == sweep for run in self.runs.values())
        run = self.run(f"{sweep}run{turn}")
        run.sweep = sweep
        for key, spec in self.sweeps[sweep]["parameters"].items():
            choice = spec.get("values") or [spec["min"], spec["max"]]
            run.args[key] = choice[turn % len(choice)]
        args = {key: {"value": value} for key, value in run.args.items()}
        program = self.sweeps[sweep]["program"]
        return {"type": "run", "run_id": f"{sweep}run{turn}", "program": program, "args": args}

    def stream(self, name, sent):
        """What a run sends while it goes on."""
        run, files = self.run(name), sent.get("files", {})
        run.history += map(json.loads, files.get("wandb-history.jsonl", {}).get("content", []))
        for text in files.get("wandb-summary.json", {}).get("content", []):
            run.summary = json.loads(text)
        if sent.get("complete"):
            run.exit_code = sent["exitcode"]
        if self.dies_after is not None and len(run.history) >= self.dies_after:
            threading.Thread(target=self.__exit__).start()


class Handler(BaseHTTPRequestHandler):
    """One connection a request, so that nobody is served once the server is gone."""

    def do(self):
        if self.path == "/until-the-end":
            self.server.dead.wait(60)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, answer, path = 200, {}, self.path.split("/")
        key = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic "))
        if path[1] == "upload":
            self.server.run(path[2]).files.add("/".join(path[3:]))
        elif path[1] == "sdk":
            pass  # W&B's own telemetry, which brings no key
        elif key != f"api:{KEY}".encode():
            self.server.refused += 1
            status, answer = 401, {"errors": [{"message": "invalid API key"}]}
        elif path[1] == "graphql":
            asked = json.loads(body)
            name = asked.get("operationName") or NAMED.search(asked["query"])[1]
            data = self.server.query(name, asked.get("variables") or {})
            answer = {"data": data} if data else {"errors": [{"message": f"no {name} here"}]}
        elif path[-1] == "file_stream":
            self.server.stream(path[-2], json.loads(body))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    do_GET = do_POST = do_PUT = do  # noqa: N815 (the library's names)

    def log_message(self, *_):
        """The tests' output is for the tests."""


class WaitsForTheEnd(Callback):
    """Begins the second epoch when the server is gone."""

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            with suppress(OSError):
                urlopen(os.environ["WANDB_BASE_URL"] + "/until-the-end", timeout=60)
