#!/usr/bin/env python3
"""Real runs, scraped by a real Prometheus and pushed to a real Pushgateway, and the files of deploy/ that go with them.

    prometheus_test.py SOURCE BUILD [--picture FILE.png] [options of unittest]

With --picture the dashboard is drawn from what the runs left in Prometheus.
"""
import contextlib
import http.client
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

sys.dont_write_bytecode = True  # nothing is left beside the sources
import draw_dashboard  # noqa: E402
from servers import MPI, SERVERS, free_ports  # noqa: E402

SOURCE = pathlib.Path()
BUILD = pathlib.Path()
PICTURE = None
PROMETHEUS = SERVERS / "usr/bin/prometheus"
PROMTOOL = SERVERS / "usr/bin/promtool"
PUSHGATEWAY = SERVERS / "usr/bin/prometheus-pushgateway"

PATIENCE = 120  # [s] until something that never comes is given up
ENVIRONMENT = dict(os.environ, OMPI_MCA_mpi_yield_when_idle="1", **MPI)

# Prometheus looks at new targets every 5 s: the burn-in makes the first run longer than that.
CLOSED_FORM = {"simulation.neurons": 1000, "simulation.frames": 4000, "simulation.burn_in": 120000, "checkpoint.interval": 2}
# On the other's data. As many steps as there are records of the loss, so that the last one in the log is that of the last step.
ADAM = {"training.method": "adam", "training.steps": 1000, "training.batch_size": 8, "checkpoint.interval": 1}
# Queries of the dashboard that a run without a GPU has no answer to.
NO_DATA = {("Memory of the machines", "B"): "device memory: no GPU"}


def get(url, method="GET", body=None):
    """Status and text of an answer, whatever the status."""
    request = urllib.request.Request(url, data=body, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def wait_for(what, condition):
    """The first value of the condition that counts as true."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"in vain waited for {what}")


def answers(url):
    try:
        return get(url)[0] == 200
    except OSError:
        return False


class Process:
    """A program in the background; what it says goes to a file."""

    def __init__(self, command, log, environment=None):
        self.log = pathlib.Path(log)
        with open(self.log, "wb") as output:
            self.process = subprocess.Popen([str(word) for word in command], stdout=output,
                                            stderr=subprocess.STDOUT, env=environment)

    def text(self):
        return self.log.read_text(errors="replace")

    def is_alive(self):
        return self.process.poll() is None

    def wait(self):
        return self.process.wait(timeout=PATIENCE)

    def stop(self):
        if self.is_alive():
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Run(Process):
    """weft with a config made of the keys given, in a folder of its own."""

    def __init__(self, work, name, keys, options=(), ranks=1, command="run"):
        self.name = name
        self.folder = pathlib.Path(work) / name
        config = pathlib.Path(work) / f"{name}.yaml"
        config.write_text(f"name: {name}\n")
        words = [BUILD / "weft", command, config, "--output", self.folder]
        for key, value in keys.items():
            words += ["--set", f"{key}={value}"]
        if ranks > 1:
            words = ["mpirun", "--quiet", "-n", ranks] + words
        super().__init__(words + list(options), pathlib.Path(work) / f"{name}.txt", ENVIRONMENT)

    def url(self, path):
        """Of the run's server; waits until there is one."""
        file = self.folder / "log/metrics.url"

        def address():
            with contextlib.suppress(FileNotFoundError):
                return file.read_text().strip()
            if not self.is_alive():
                raise AssertionError(f"{self.name} ended without serving: {self.text()}")
            return None

        return urllib.parse.urljoin(wait_for(file, address), path)

    def log_lines(self):
        return (self.folder / "log/weft.log").read_text().splitlines()

    def metrics(self):
        return json.loads((self.folder / "results/metrics.json").read_text())

    def model(self):
        """The files of the trained model."""
        checkpoints = self.folder / "checkpoints"
        return sorted((checkpoints / (checkpoints / "latest").read_text().strip()).glob("*.h5"))


class Monitoring:
    """A Pushgateway, and a Prometheus with deploy/prometheus, but asking five times a second and alerting at once."""

    def __init__(self, work):
        self.work = pathlib.Path(work)
        self.targets = self.work / "targets/runs.json"
        self.targets.parent.mkdir()
        self.processes = []
        try:
            port = free_ports(1)[0]
            self.push_url = f"http://127.0.0.1:{port}"
            self.start(self.push_url, [PUSHGATEWAY, f"--web.listen-address=127.0.0.1:{port}"], "pushgateway.txt")
            (self.work / "prometheus.yml").write_text(self.config(port))
            rules = (SOURCE / "deploy/prometheus/rules.yml").read_text()
            (self.work / "rules.yml").write_text(re.sub(r"for: \d+m", "for: 0s", rules))
            port = free_ports(1)[0]
            self.url = f"http://127.0.0.1:{port}"
            self.start(self.url, [PROMETHEUS, f"--config.file={self.work}/prometheus.yml",
                                  f"--storage.tsdb.path={self.work}/storage",
                                  f"--web.listen-address=127.0.0.1:{port}"], "prometheus.txt")
        except BaseException:
            self.stop()
            raise

    @staticmethod
    def config(push_port):
        text = (SOURCE / "deploy/prometheus/prometheus.yml").read_text()
        for old, new in [("15s", "200ms"), ("30s", "1s"), ("localhost:9091", f"127.0.0.1:{push_port}")]:
            assert old in text, f"prometheus.yml without {old}"
            text = text.replace(old, new)
        return text

    def start(self, url, command, log):
        server = Process(command, self.work / log)
        self.processes.append(server)

        def is_ready():
            if not server.is_alive():
                raise AssertionError(f"{command[0]} ended: {server.text()}")
            return answers(url + "/-/ready")

        wait_for(url, is_ready)

    def stop(self):
        for server in reversed(self.processes):
            server.stop()

    def options(self):
        return ["--metrics-port", "auto", "--metrics-targets", self.targets, "--metrics-push", self.push_url]

    def listed(self):
        """The labels of all runs in the targets file."""
        return [entry["labels"] for entry in json.loads(self.targets.read_text())] if self.targets.exists() else []

    def ask(self, what, **arguments):
        status, text = get(f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(arguments)}")
        answer = json.loads(text)
        if status != 200 or answer["status"] != "success":
            raise AssertionError(f"{arguments}: {answer.get('error', text)}")
        return answer["data"]

    def samples(self, expression, at=None):
        """(labels, value) of all samples; without a time, of now."""
        arguments = {"query": expression} if at is None else {"query": expression, "time": at}
        return [(sample["metric"], float(sample["value"][1]))
                for sample in self.ask("query", **arguments)["result"]]

    def value(self, expression, at=None):
        samples = self.samples(expression, at)
        if len(samples) != 1:
            raise AssertionError(f"{expression}: one sample was expected, there are {samples}")
        return samples[0][1]

    def series(self, expression, start, end, step):
        """(labels, [(time, value)]) of all series."""
        data = self.ask("query_range", query=expression, start=start, end=end, step=step)
        return [(series["metric"], [(float(t), float(v)) for t, v in series["values"]]) for series in data["result"]]


class DeployFiles(unittest.TestCase):
    """What promtool says of the files as they are."""

    def promtool(self, *words):
        done = subprocess.run([PROMTOOL, *words], cwd=SOURCE / "deploy/prometheus", capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_config(self):
        self.promtool("check", "config", "prometheus.yml")

    def test_rules(self):
        self.promtool("check", "rules", "rules.yml")

    def test_alerts(self):
        self.promtool("test", "rules", "rules_test.yml")

    def test_every_alert_has_a_test_and_a_place_in_the_docs(self):
        folder = SOURCE / "deploy/prometheus"
        alerts = re.findall(r"alert: (\w+)", (folder / "rules.yml").read_text())
        self.assertGreater(len(alerts), 5)
        for place in [folder / "rules_test.yml", SOURCE / "docs/monitoring.md"]:
            text = place.read_text().replace("Weft.*MemoryLow", "WeftMemoryLow WeftDeviceMemoryLow")
            for alert in alerts:
                self.assertIn(alert, text, place)


class RealRuns(unittest.TestCase):
    """One training by each method on two ranks, and what Prometheus knows of them afterwards."""

    @classmethod
    def setUpClass(cls):
        with contextlib.ExitStack() as cleanup:
            cls.work = cleanup.enter_context(tempfile.TemporaryDirectory())
            cls.monitoring = Monitoring(cls.work)
            cleanup.callback(cls.monitoring.stop)
            cls.start = time.time()
            cls.closed_form = cls.watched("closed_form", CLOSED_FORM, ranks=2)
            cls.training = dict(ADAM, **{"data.path": cls.closed_form.folder / "data/activity.h5"})
            cls.adam = cls.watched("adam", cls.training, ranks=2)
            cls.end = time.time()
            cls.cleanup = cleanup.pop_all()
            cls.addClassCleanup(cls.cleanup.close)

    @classmethod
    def watched(cls, name, keys, ranks=1, options=(), code=0):
        """A run to its end, until what it pushed has arrived."""
        run = Run(cls.work, name, keys, cls.monitoring.options() + list(options), ranks)
        try:
            found = run.wait()
        finally:
            run.stop()
        if found != code:
            raise AssertionError(f"{name} ended with {found}: {run.text()}")
        wait_for(f"what {name} pushed", lambda: cls.monitoring.samples(f'weft_run_exit_code{{run="{name}", instance=""}}'))
        return run

    def both(self, run, metric, labels=""):
        """A number as pushed at the end; as scraped last it must be the same."""
        selector = f'{metric}{{run="{run.name}"{labels}, instance'
        pushed = self.monitoring.value(selector + '=""}')
        scraped = self.monitoring.value(f'last_over_time({selector}!=""}}[1h])')
        self.assertEqual(pushed, scraped, metric)
        return pushed

    def stage_line(self, run, stage):
        """Steps and detail of the last progress line of a stage."""
        lines = [m for m in (re.search(rf" {stage}  (\d+) (?:steps|GFLOP) in (.*)", line) for line in run.log_lines()) if m]
        self.assertTrue(lines, f"{run.folder}/log/weft.log says nothing of {stage}")
        return int(lines[-1][1]), lines[-1][2]

    def test_gradient_training(self):
        run, metrics = self.adam, self.adam.metrics()
        self.assertEqual(self.both(run, "weft_connectivity_r2"), metrics["connectivity"]["r2"])
        self.assertEqual(self.both(run, "weft_steps_total"), ADAM["training.steps"])
        self.assertEqual(self.both(run, "weft_step_seconds_count"), ADAM["training.steps"])
        self.assertEqual(self.both(run, "weft_simulated_steps_total"), 0)
        self.assertEqual(self.both(run, "weft_stage_done", ', stage="train", unit="steps"'), ADAM["training.steps"])
        self.assertEqual(self.both(run, "weft_stage_goal", ', stage="train", unit="steps"'), ADAM["training.steps"])
        printed = re.search(r"loss per neuron (\S+)", self.stage_line(run, "train")[1])[1]
        loss = self.both(run, "weft_loss", ', term="total"')
        self.assertEqual(f"{loss:.4g}", printed)
        terms = [self.both(run, "weft_loss", f', term="{term}"') for term in ["data", "phi_zero", "psi_monotone"]]
        self.assertAlmostEqual(loss, sum(terms), delta=1e-6 * loss)
        self.assertGreater(self.both(run, "weft_gradient_norm"), 0)
        self.assertEqual(self.both(run, "weft_nonfinite_losses_total"), 0)

    def test_closed_form(self):
        run, metrics = self.closed_form, self.closed_form.metrics()
        self.assertEqual(self.both(run, "weft_connectivity_r2"), metrics["connectivity"]["r2"])
        self.assertEqual(self.both(run, "weft_simulated_steps_total"), self.stage_line(run, "simulate")[0])
        self.assertEqual(self.both(run, "weft_stage_done", ', stage="train"'),
                         self.monitoring.value(f'weft_stage_goal{{run="{run.name}", instance="", stage="train"}}'))
        self.assertEqual(self.both(run, "weft_residual_ratio"), metrics["solver"]["residual"])
        self.assertEqual(self.both(run, "weft_solver_iteration"), metrics["solver"]["psi_iterations"])

    def test_checkpoints(self):
        run, saved = self.adam, self.adam.metrics()["checkpoints"]
        self.assertGreater(saved["saved"], 0)
        self.assertEqual(self.both(run, "weft_checkpoints_total"), saved["saved"])
        self.assertEqual(self.both(run, "weft_checkpoint_failures_total"), saved["failures"])
        self.assertLessEqual(self.both(run, "weft_checkpoint_seconds"), saved["longest_s"])
        self.assertEqual(self.both(run, "weft_checkpoint_interval_seconds"), ADAM["checkpoint.interval"])
        newest = self.both(run, "weft_checkpoint_last_success_timestamp_seconds")
        self.assertLess(self.both(run, "weft_run_start_timestamp_seconds"), newest)
        self.assertLess(newest, self.end)

    def test_each_run_and_its_ranks(self):
        for run, method in [(self.adam, "adam"), (self.closed_form, "varpro")]:
            [(info, one)] = self.monitoring.samples(f'weft_run_info{{run="{run.name}", instance=""}}')
            self.assertEqual((info["name"], info["method"], info["ranks"], one), (run.name, method, "2", 1))
            build = subprocess.run([BUILD / "weft", "--version"], capture_output=True, text=True).stdout
            [(info, _)] = self.monitoring.samples(f'weft_build_info{{run="{run.name}", instance=""}}')
            self.assertIn(info["version"], build)
            self.assertIn(info["commit"], build)
            ranks = self.monitoring.samples(f'weft_rank_info{{run="{run.name}", instance=""}}')
            self.assertEqual(sorted(labels["rank"] for labels, _ in ranks), ["0", "1"])
            for labels, _ in ranks:
                self.assertEqual(labels["hostname"], socket.gethostname())
            memory = {(labels["rank"], labels["kind"]): value for labels, value in
                      self.monitoring.samples(f'weft_memory_bytes{{run="{run.name}", instance=""}}')}
            for rank in "01":
                self.assertLessEqual(memory[rank, "resident"], memory[rank, "peak"])
                self.assertLess(memory[rank, "peak"], memory[rank, "machine_total"])
                self.assertLess(memory[rank, "machine_available"], memory[rank, "machine_total"])
            # A control group may allow less than the machine has.
            self.assertLessEqual(memory["0", "machine_total"],
                                 1024 * int(re.search(r"MemTotal: *(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]))

    def test_each_stage_was_under_way_and_none_is_left(self):
        for run in [self.adam, self.closed_form]:
            self.assertEqual(self.monitoring.value(f'sum(weft_stage{{run="{run.name}", instance=""}})'), 0)
            seen = self.monitoring.samples(f'max_over_time(weft_stage{{run="{run.name}", instance!=""}}[1h]) == 1')
            self.assertLessEqual({"train", "report"}, {labels["stage"] for labels, _ in seen})
            self.assertEqual(self.both(run, "weft_ready"), 1)

    def test_an_orderly_end(self):
        for run in [self.adam, self.closed_form]:
            self.assertEqual(self.monitoring.value(f'weft_run_exit_code{{run="{run.name}", instance=""}}'), 0)
            self.assertNotIn(run.name, [labels["run"] for labels in self.monitoring.listed()])
            self.assertFalse((run.folder / "log/metrics.url").exists())
            [(labels, _)] = self.monitoring.samples(f'last_over_time(up{{job="weft", run="{run.name}"}}[1h])')
            self.assertEqual(labels["folder"], str(run.folder))

    def test_a_run_that_fails_and_one_that_is_stopped(self):
        failed = self.watched("diverges", dict(self.training, **{"training.learning_rate.connectivity": 1e30}), code=2)
        stopped = self.watched("is_stopped", dict(self.training, **{"training.steps": 1000000}),
                               options=["--max-hours", "0.0003"], code=75)
        listed = [labels["run"] for labels in self.monitoring.listed()]
        self.assertIn(failed.name, listed)
        self.assertNotIn(stopped.name, listed)
        self.assertEqual(self.monitoring.value(f'weft_run_exit_code{{run="{failed.name}", instance=""}}'), 2)
        self.assertEqual(self.monitoring.value(f'weft_run_exit_code{{run="{stopped.name}", instance=""}}'), 75)
        self.assertGreaterEqual(self.monitoring.value(f'weft_nonfinite_losses_total{{run="{failed.name}", instance=""}}'), 1)

        def firing():
            return {alert["labels"]["run"]: alert for alert in self.monitoring.ask("alerts")["alerts"]
                    if alert["labels"]["alertname"] == "WeftRunFailed" and "folder" in alert["labels"]}

        # Until Prometheus has noticed that a run is off the list it finds nobody there, too.
        wait_for("the alert", lambda: list(firing()) == [failed.name])
        self.assertEqual(firing()[failed.name]["annotations"]["summary"], f"{failed.name}: the run has failed")

    def test_dashboard(self):
        dashboard = json.loads((SOURCE / "deploy/grafana/dashboards/weft.json").read_text())
        self.assertLessEqual({"adam", "closed_form"},
                             set(self.monitoring.ask("label/run/values", **{"match[]": "weft_run_info"})))
        empty = set()
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                answer = self.of_dashboard(target["expr"], self.end)
                if not any(value == value for _, values in answer for _, value in values):
                    empty.add((panel["title"], target["refId"]))
        self.assertEqual(empty, set(NO_DATA))
        for annotation in dashboard["annotations"]["list"]:
            if "expr" in annotation:
                self.of_dashboard(annotation["expr"], self.end)
        if PICTURE is not None:
            self.draw(dashboard)

    def of_dashboard(self, expression, end, is_instant=False):
        """What the dashboard shows of the time since the start of the first run."""
        for variable, value in [("$__rate_interval", "2s"), ("$run", "adam|closed_form")]:
            expression = expression.replace(variable, value)
        step = (end - self.start) / 500
        return self.monitoring.series(expression, end if is_instant else self.start, end, step)

    def draw(self, dashboard):
        """As it is shortly before the second training is done."""
        done = self.monitoring.series('weft_stage_done{run="adam", stage="train"} / weft_stage_goal < 0.97',
                                      self.start, self.end, 0.2)
        end = done[0][1][-1][0]
        draw_dashboard.draw(dashboard, lambda expression, is_instant: self.of_dashboard(expression, end, is_instant),
                            self.start, end, PICTURE)


class BadInput(unittest.TestCase):
    """A server in a run must not harm the run, whatever is done to it."""

    SMALL = {"simulation.neurons": 24, "simulation.frames": 200, "training.method": "adam", "training.steps": 50,
             "training.batch_size": 4}
    LONGER = dict(SMALL, **{"simulation.neurons": 200, "training.steps": 3000})
    SERVED = ["--metrics-port", "auto"]

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.work = folder.name

    def launch(self, name, keys, options=(), **more):
        run = Run(self.work, name, keys, options, **more)
        self.addCleanup(run.stop)
        return run

    def expect_done(self, run):
        self.assertEqual(run.wait(), 0, run.text())

    def test_port_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            run = self.launch("port_taken", self.SMALL, ["--metrics-port", port])
            self.expect_done(run)
        warnings = [line for line in run.log_lines() if " warning " in line and port in line]
        self.assertEqual(len(warnings), 1, run.text())
        self.assertFalse((run.folder / "log/metrics.url").exists())

    def test_pushgateway_and_targets_out_of_reach(self):
        gateway, targets = f"http://127.0.0.1:{free_ports(1)[0]}", "/dev/null/targets.json"
        run = self.launch("out_of_reach", self.SMALL,
                          self.SERVED + ["--metrics-push", gateway, "--metrics-targets", targets])
        self.expect_done(run)
        for place in [gateway, targets]:
            warnings = [line for line in run.log_lines() if " warning " in line and place in line]
            self.assertEqual(len(warnings), 1, run.text())

    def test_ready_only_when_training_has_begun(self):
        keys = dict(self.LONGER, **{"simulation.frames": 4000})
        simulation = self.launch("ready", keys, self.SERVED, command="simulate")
        ready, healthy = simulation.url("/readyz"), simulation.url("/healthz")
        with contextlib.suppress(OSError):  # it may be done before it was asked often
            for _ in range(20):
                self.assertEqual(get(healthy)[0], 200)
                self.assertEqual(get(ready)[0], 503)
        self.expect_done(simulation)
        training = self.launch("ready", keys, self.SERVED)
        ready = training.url("/readyz")
        wait_for("training", lambda: get(ready)[0] == 200)
        self.assertEqual(get(training.url("/healthz"))[0], 200)
        self.expect_done(training)

    def test_methods_and_paths(self):
        run = self.launch("methods", self.LONGER, self.SERVED)
        url = run.url("/metrics")
        status, text = get(url)
        self.assertEqual(status, 200)
        self.assertIn("weft_build_info{", text)
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]:
            self.assertEqual(get(url, method, b"x=1" if method in ("POST", "PUT") else None)[0], 405, method)
        self.assertEqual(get(url, "HEAD"), (200, ""))
        self.assertEqual(get(run.url("/"))[0], 404)
        self.assertEqual(get(run.url("/metrics/../../etc/passwd"))[0], 404)
        # What promtool has to say of names and types: nothing.
        lint = subprocess.run([PROMTOOL, "check", "metrics"], input=get(url)[1], capture_output=True, text=True)
        complaints = (lint.stdout + lint.stderr).splitlines()
        self.assertEqual(complaints, [])
        self.expect_done(run)

    def test_malformed_requests_and_slow_clients(self):
        run = self.launch("malformed", self.LONGER, self.SERVED)
        url = urllib.parse.urlparse(run.url("/metrics"))
        place = (url.hostname, url.port)
        with contextlib.ExitStack() as open_sockets:
            for request in [b"", b"GET /metrics HTTP/1.1\r\n", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 200]:
                # Never ends its request, or never reads the answer.
                slow = open_sockets.enter_context(socket.create_connection(place))
                slow.sendall(request)
            for request in [b"\r\n\r\n", b"\0" * 1000, bytes(range(256)) * 40, b"GET\r\n\r\n", b"GET /metrics\r\n\r\n",
                            b"GET /metrics HTTP/9.9\r\n\r\n", b"GET /%zz%00 HTTP/1.1\r\n\r\n",
                            b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
                            b"GET /metrics HTTP/1.1\r\nX: " + b"b" * 1000000 + b"\r\n\r\n",
                            b"GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                            b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
                            b"POST /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"]:
                with contextlib.suppress(OSError), socket.create_connection(place) as client:  # it may hang up
                    client.sendall(request)
                    client.shutdown(socket.SHUT_WR)
                    client.settimeout(20)
                    answer = client.recv(16)
                    self.assertTrue(answer == b"" or answer.startswith(b"HTTP/"), (request[:40], answer))
                self.assertEqual(get(run.url("/metrics"))[0], 200, request[:40])
            self.expect_done(run)

    def test_a_storm_of_requests_changes_nothing(self):
        keys = dict(self.LONGER, **{"checkpoint.interval": 0.1})  # so that many come while one is written
        calm = self.launch("calm", keys)
        self.expect_done(calm)
        run = self.launch("storm", keys, self.SERVED)
        url = urllib.parse.urlparse(run.url("/metrics"))
        served, wrong = [], []

        def ask():
            for _ in range(250):
                client = http.client.HTTPConnection(url.hostname, url.port, timeout=PATIENCE)
                try:
                    client.request("GET", "/metrics")
                    answer = client.getresponse()
                    text = answer.read().decode()
                    (served if answer.status == 200 and text.endswith("\n") else wrong).append(text)
                except (OSError, http.client.HTTPException) as error:
                    if run.is_alive() and (run.folder / "log/metrics.url").exists():
                        wrong.append(error)
                    return
                finally:
                    client.close()

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.expect_done(run)
        self.assertEqual(wrong, [])
        self.assertGreater(len(served), 0)
        self.assertGreater(run.metrics()["checkpoints"]["saved"], 0)
        self.assertEqual(run.metrics()["checkpoints"]["failures"], 0)
        self.assertEqual([file.name for file in run.model()], ["common.h5", "shard_r0000_of_0001.h5"])
        for own, other in zip(run.model(), calm.model()):
            same = subprocess.run(["h5diff", own, other], capture_output=True, text=True)  # all arrays, exactly
            self.assertEqual((same.returncode, same.stdout), (0, ""))


def main():
    global SOURCE, BUILD, PICTURE
    words = sys.argv[1:]
    if len(words) < 2:
        sys.exit(__doc__)
    SOURCE, BUILD = (pathlib.Path(word).resolve() for word in words[:2])
    words = words[2:]
    if words[:1] == ["--picture"]:
        PICTURE, words = pathlib.Path(words[1]).resolve(), words[2:]
    for program in [PROMETHEUS, PROMTOOL, PUSHGATEWAY]:
        if not os.access(program, os.X_OK):
            print(f"skipped: no {program.name} in {SERVERS}, which deploy/install-test-servers.sh makes")
            sys.exit(77)
    unittest.main(argv=[sys.argv[0], *words])


if __name__ == "__main__":
    main()
