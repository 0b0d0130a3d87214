#!/usr/bin/python3
"""The containers' files, as far as they can be tested without a container engine:  container_test.py SOURCE BUILD

The YAML against schemas and against each other, what the Dockerfile and weft.def copy and call, and the steps' scripts themselves:
those that install and pick out what is needed to run are done, from BUILD into a temporary folder; so is the probe, against a server.
Exit code: 0 all is well, 1 something is not, 77 a Python package is missing.
"""
import http.server
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time

try:
    import jsonschema
    import yaml
except ImportError as error:
    print(f"skipped: no Python package {error.name}")
    sys.exit(77)

SOURCE, BUILD = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
CONTAINER = SOURCE / "deploy/container"
SCHEMAS = SOURCE / "tests/deploy/schemas"
failures = []


def expect(holds, what):
    if not holds:
        failures.append(what)
        print(f"container_test: {what}", file=sys.stderr)


def run(*command, **environment):
    return subprocess.run([str(word) for word in command], env={**os.environ, **{k: str(v) for k, v in environment.items()}},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)


# The YAML of Kubernetes.


def hold_against(document, schema, where):
    validator = jsonschema.Draft7Validator(json.loads((SCHEMAS / schema).read_text()))
    for error in validator.iter_errors(document):
        place = ".".join(str(step) for step in error.absolute_path)
        expect(False, f"{where}: {place}: {error.message}")


def documents(name):
    with open(CONTAINER / "kubernetes" / name) as file:
        return [document for document in yaml.safe_load_all(file) if document]


def option(arguments, name):
    return arguments[arguments.index(name) + 1] if name in arguments else None


def test_kubernetes():
    (job,) = documents("mpijob.yaml")
    service, monitor = documents("servicemonitor.yaml")
    hold_against(job, "mpijob.json", "mpijob.yaml")
    hold_against(service, "service.json", "servicemonitor.yaml, Service")
    hold_against(monitor, "servicemonitor.json", "servicemonitor.yaml, ServiceMonitor")
    roles = job["spec"]["mpiReplicaSpecs"]
    for role, replicas in roles.items():
        pod = replicas["template"]["spec"]
        hold_against(pod, "pod.json", f"mpijob.yaml, {role}")
        volumes = {volume["name"] for volume in pod.get("volumes", [])}
        for container in pod["containers"]:
            mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
            expect(mounted <= volumes, f"mpijob.yaml, {role}: mounts {mounted}, of which only {volumes} are volumes")
    if failures:  # what follows goes by the fields that were found missing
        return job
    (launcher,) = roles["Launcher"]["template"]["spec"]["containers"]
    (worker,) = roles["Worker"]["template"]["spec"]["containers"]
    expect(launcher["image"] == worker["image"], "mpijob.yaml: the launcher and the workers have different images")
    slots = job["spec"].get("slotsPerWorker", 1) * roles["Worker"].get("replicas", 1)
    ranks = option(launcher["args"], "-n")
    expect(ranks == str(slots), f"mpijob.yaml: mpirun -n {ranks}; as many as there are slots, {slots}, were expected")

    # What the operator writes on the pods of workers.
    labels = {"training.kubeflow.org/job-name": job["metadata"]["name"], "training.kubeflow.org/job-role": "worker",
              "training.kubeflow.org/replica-index": "0"}
    expect(service["spec"]["selector"] == labels,
           f"servicemonitor.yaml: the Service selects {service['spec']['selector']}; rank 0's pod has {labels}")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    expect(wanted <= service["metadata"]["labels"].items(), "servicemonitor.yaml: the ServiceMonitor does not select the Service")
    served = {port["name"]: port for port in service["spec"]["ports"]}
    for endpoint in monitor["spec"]["endpoints"]:
        expect(endpoint["port"] in served, f"servicemonitor.yaml: the Service has no port {endpoint['port']}")
        names = [rule["replacement"] for rule in endpoint.get("relabelings", []) if rule["targetLabel"] == "run"]
        expect(names == [job["metadata"]["name"]],
               f"servicemonitor.yaml: the label run is {names}; the job's name, {job['metadata']['name']}, was expected")
    ports = {port["name"]: port["containerPort"] for port in worker.get("ports", [])}
    for port in served.values():
        target = port.get("targetPort", port["port"])
        expect(target in ports or target in ports.values(), f"servicemonitor.yaml: a worker has no port {target}")
    port = option(launcher["args"], "--metrics-port")
    expect(port == str(ports.get("metrics")), f"mpijob.yaml: weft serves at {port}, the container's port is {ports.get('metrics')}")
    expect(option(launcher["args"], "--metrics-address") == "0.0.0.0", "mpijob.yaml: weft does not serve outside of its pod")
    for kind, mode in (("livenessProbe", "live"), ("readinessProbe", "ready")):
        command = worker[kind]["exec"]["command"]
        expect(command[1:] == [mode, port], f"mpijob.yaml: the {kind} is {command}; {mode} {port} was expected")
    dockerfile = (CONTAINER / "Dockerfile").read_text()
    expect(f"EXPOSE {port}" in dockerfile, f"Dockerfile: it does not expose {port}")
    return job


def test_schemas():
    """A schema that lets everything pass would tell nothing."""
    (job,) = documents("mpijob.yaml")
    for spoil in (lambda j: j.pop("metadata"), lambda j: j.update(kind="Job"), lambda j: j["spec"].update(slotPerWorker=1),
                  lambda j: j["spec"]["mpiReplicaSpecs"].pop("Worker"), lambda j: j["spec"]["mpiReplicaSpecs"]["Launcher"].update(replicas=2)):
        spoilt = json.loads(json.dumps(job))
        spoil(spoilt)
        valid = jsonschema.Draft7Validator(json.loads((SCHEMAS / "mpijob.json").read_text())).is_valid(spoilt)
        expect(not valid, "mpijob.json: it lets a spoilt job pass")


# The Dockerfile and the Apptainer definition.


def check_copy(where, places, allowed):
    for place in places:
        pathname = place.rstrip("/")
        expect((SOURCE / pathname).exists(), f"{where}: copies {place}, which is not there")
        expect(not pathname.startswith(allowed), f"{where}: copies {place}, which a build makes")


def check_scripts(where, text):
    steps = {}
    for name in re.findall(r"\S*/([\w-]+\.sh)\b", text):
        expect((CONTAINER / name).exists() or (SOURCE / "deploy" / name).exists(), f"{where}: calls {name}, which is not there")
    for name, arguments in re.findall(r"(\w+-steps)\.sh((?: [a-z]+(?![\w/.]))+)", text):
        steps.setdefault(name, set()).update(arguments.split())
    for name, used in steps.items():
        known = set(re.search(r'^steps="(.*)"', (CONTAINER / f"{name}.sh").read_text(), re.M).group(1).split())
        expect(used <= known, f"{where}: calls {name}.sh with {sorted(used - known)}; it knows {sorted(known)}")
    return steps


def test_dockerfile():
    text = (CONTAINER / "Dockerfile").read_text()
    lines = [line for line in re.sub(r"\\\n", " ", text).splitlines() if line.strip() and not line.startswith("#")]
    stages, stage = {}, None
    for line in lines:
        word, rest = line.split(None, 1)
        expect(word in {"ARG", "FROM", "COPY", "RUN", "ENV", "WORKDIR", "EXPOSE", "ENTRYPOINT", "CMD", "USER"},
               f"Dockerfile: '{word}' is not among the instructions that were expected")
        if word == "FROM":
            base, _, name = rest.split()
            stage = stages[name] = {"base": base, "user": stages.get(base, {}).get("user", "root"), "from": set()}
            expect(base == "${BASE}" or base in stages, f"Dockerfile: the stage {name} is from {base}, which is no stage before it")
        elif word == "COPY":
            places = shlex.split(rest)
            if places[0].startswith("--from="):
                source = places[0].split("=")[1]
                expect(source in stages, f"Dockerfile: copies from {source}, which is no stage before it")
                stage["from"].add(source)
            else:
                check_copy("Dockerfile", places[:-1], ("build", "runs"))
        elif word == "USER":
            stage["user"] = rest.strip()
        elif word in ("ENTRYPOINT", "CMD"):
            json.loads(rest)
    steps = check_scripts("Dockerfile", text)
    expect({"dependencies", "cuda", "configure", "build", "install", "runtime"} <= steps["build-steps"], "Dockerfile: a step is never done")
    for name in ("cpu", "cuda"):
        expect(stages[name]["user"].split(":")[0] not in ("root", "0"), f"Dockerfile: the stage {name} runs as root")
        expect(stages[name]["from"], f"Dockerfile: the stage {name} copies nothing that was built")
        expect(stages[name]["base"] == "runtime", f"Dockerfile: the stage {name} has what it takes to build in it")
    expect(list(stages)[-1] == "cpu", "Dockerfile: the last stage, which is built unless told, is not cpu")
    for pattern in ("/build/", "/runs/"):
        expect(pattern in (SOURCE / ".dockerignore").read_text().split(), f".dockerignore: it lacks {pattern}")


def test_definition():
    text = (CONTAINER / "weft.def").read_text()
    headers = [stage for stage in re.split(r"^Bootstrap:", text, flags=re.M)[1:]]
    expect(len(headers) == 2, f"weft.def: {len(headers)} stages; 2 were expected")
    names = [re.search(r"^Stage: (\w+)", stage, re.M).group(1) for stage in headers]
    for stage in headers:
        for section in re.findall(r"^%(\w+)", stage, re.M):
            expect(section in {"files", "post", "environment", "runscript", "test", "help"}, f"weft.def: there is no section %{section}")
        for origin, lines in re.findall(r"^%files(?: from (\w+))?\n((?:    .*\n)+)", stage, re.M):
            if origin:
                expect(origin in names, f"weft.def: files from {origin}, which is no stage")
            else:
                check_copy("weft.def", [line.split()[0] for line in lines.splitlines()], ("build", "runs"))
    copied = re.findall(r"^    (\S+) /source/", headers[0], re.M)
    needed = {place for place in re.findall(r"\$\{PROJECT_SOURCE_DIR\}/([\w.]+)", (SOURCE / "src/install.cmake").read_text())}
    expect(needed <= set(copied), f"weft.def: the build needs {sorted(needed - set(copied))} too")
    check_scripts("weft.def", text)


# The steps themselves.


def test_scripts():
    for script in sorted(CONTAINER.glob("*.sh")):
        expect(os.access(script, os.X_OK), f"{script.name}: it is not executable")
        syntax = run("bash", "-n", script)
        expect(syntax.returncode == 0, f"{script.name}: {syntax.stdout}")
    for script in ("build-steps.sh", "runtime-steps.sh"):
        for arguments in ([], ["fly"]):
            refused = run(CONTAINER / script, *arguments)
            expect(refused.returncode == 2 and "expected" in refused.stdout and refused.stdout.count("\n") == 1,
                   f"{script} {arguments}: exit code {refused.returncode}, {refused.stdout}")


def loaded_libraries(program, **environment):
    return re.findall(r"=> (/\S+)", run("ldd", program, **environment).stdout)


def libtorch_of_build():
    cache = (BUILD / "CMakeCache.txt").read_text()
    return re.search(r"^WEFT_LIBTORCH:PATH=(.*)$", cache, re.M).group(1)


def test_steps(work):
    """Install and runtime, then the program from the run-time tree alone."""
    libtorch = libtorch_of_build()
    there = {"WEFT_BUILD": BUILD, "WEFT_LIBTORCH": libtorch, "WEFT_PREFIX": work / "opt/weft", "WEFT_RUNTIME": work / "runtime"}
    installed = run(CONTAINER / "build-steps.sh", "install", **there)
    expect(installed.returncode == 0, f"build-steps.sh install: {installed.stdout}")
    # As of a build without CUDA, whose tree is small.
    cuda = work / "opt/weft/lib/libweft_cuda.so"
    if cuda.exists():
        cuda.unlink()
    done = run(CONTAINER / "build-steps.sh", "runtime", **there)
    expect(done.returncode == 0, f"build-steps.sh runtime: {done.stdout}")
    weft, torch = pathlib.Path(f"{work}/runtime{work}/opt/weft"), pathlib.Path(f"{work}/runtime{libtorch}")
    for suffix in (".a", ".hpp", ".h", ".o"):
        expect(not list((work / "runtime").rglob("*" + suffix)), f"build-steps.sh runtime: takes files *{suffix} along")
    expect((weft / "share/weft/container/probe.sh").exists(), "build-steps.sh runtime: leaves the probe out")

    alone = {"LD_LIBRARY_PATH": torch / "torch/lib", "OMP_NUM_THREADS": 1, "OMPI_ALLOW_RUN_AS_ROOT": 1,
             "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": 1}
    others = [library for library in loaded_libraries(weft / "bin/weft", **alone) if library.startswith(libtorch)]
    expect(not others, f"build-steps.sh runtime: leaves out {others}")
    ran = run(weft / "bin/weft", "run", weft / "share/weft/configs/tiny.yaml", "--output", work / "run", **alone)
    expect(ran.returncode == 0 and (work / "run/results/metrics.json").exists(), f"weft of the run-time tree: {ran.stdout}")
    packages(loaded_libraries(weft / "bin/weft", **alone))

    refused = run(CONTAINER / "build-steps.sh", "install", **{**there, "WEFT_BUILD": work / "nothing"})
    expect(refused.returncode == 2 and str(work / "nothing") in refused.stdout, f"build-steps.sh install: {refused.stdout}")


def packages(libraries):
    """The run-time packages, with those that they depend on, have every library that the program loads."""
    if not shutil.which("apt-cache"):
        print("container_test: no Debian system; the run-time packages were not tested")
        return
    names = run(CONTAINER / "runtime-steps.sh", "list").stdout.split()
    closure = run("apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks",
                  "--no-replaces", "--no-enhances", *names).stdout
    closure = set(re.findall(r"^(\S+)$", closure, re.M))
    for name in names:
        expect(name in closure, f"runtime-steps.sh: there is no Debian package {name}")
    for library in libraries:
        real = os.path.realpath(library)
        owner = next((said.stdout for place in (real, real.removeprefix("/usr"), library, library.removeprefix("/usr"))
                      if (said := run("dpkg-query", "--search", place)).returncode == 0), "")
        package = owner.split(":")[0]
        expect(not package or package in closure, f"runtime-steps.sh: {package} is missing, which has {library}")


def test_user(work):
    if os.geteuid() != 0:
        print("container_test: not root; the step user was not tested")
        return
    root = work / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/bash\n")
    (root / "etc/group").write_text("root:x:0:\n")
    done = run(CONTAINER / "runtime-steps.sh", "user", WEFT_ROOT=root)
    expect(done.returncode == 0, f"runtime-steps.sh user: {done.stdout}")
    expect(re.search("^weft:[^:]*:1000:1000:", (root / "etc/passwd").read_text(), re.M), "runtime-steps.sh user: makes no user weft, 1000")
    expect((root / "work").stat().st_uid == 1000, "runtime-steps.sh user: /work is not weft's")


def sshd_with_key(work):
    """The workers' sshd_config with a key of here, for the port it is given; and where that lies."""
    run("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", work / "id_rsa")
    text = (CONTAINER / "sshd_config").read_text().replace("/home/weft/.ssh", str(work)).replace("/tmp/sshd.pid", str(work / "sshd.pid"))
    (work / "sshd_config").write_text(text)
    return work / "sshd_config"


def test_ssh(work, job):
    """sshd and ssh take the configs, and mean the same port; what sshd wants to find is where the operator mounts it."""
    mounted = job["spec"]["sshAuthMountPath"]
    expect(f"HostKey {mounted}/id_rsa" in (CONTAINER / "sshd_config").read_text(), f"sshd_config: its HostKey is not below {mounted}")
    sshd = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin")
    if not sshd or not shutil.which("ssh"):
        print("container_test: no sshd or ssh; their configs were not tested")
        return
    os.makedirs("/run/sshd", exist_ok=True) if os.geteuid() == 0 else None
    server = run(sshd, "-T", "-f", sshd_with_key(work))
    expect(server.returncode == 0, f"sshd_config: {server.stdout}")
    client = run("ssh", "-G", "-F", CONTAINER / "ssh_config", "worker")
    expect(client.returncode == 0, f"ssh_config: {client.stdout}")
    ports = [re.search(r"^port (\d+)$", said.stdout, re.M) for said in (server, client)]
    expect(all(ports) and ports[0].group(1) == ports[1].group(1), "ssh_config and sshd_config have different ports")


class Answers(http.server.BaseHTTPRequestHandler):
    codes = {}

    def do_GET(self):
        code = self.codes.get(self.path, 404)
        if code == 0:  # a program that hangs
            time.sleep(3)
            return
        self.send_response(code)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_probe():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for live, ready, expected in ((200, 200, (0, 0)), (200, 503, (0, 1)), (503, 503, (1, 1)), (0, 0, (1, 1))):
        Answers.codes = {"/healthz": live, "/readyz": ready}
        said = tuple(run(CONTAINER / "probe.sh", mode, port, WEFT_PROBE_PATIENCE_S=1).returncode for mode in ("live", "ready"))
        expect(said == expected, f"probe.sh: with answers {live} and {ready} (0: none) it says {said}; {expected} was expected")
    server.shutdown()
    server.server_close()
    silent = tuple(run(CONTAINER / "probe.sh", mode, port).returncode for mode in ("live", "ready"))
    expect(silent == (0, 0), f"probe.sh: where nobody listens it says {silent}; a waiting worker is alive and ready")
    for arguments in ([], ["dead"], ["live", "0"], ["live", "http"]):
        refused = run(CONTAINER / "probe.sh", *arguments).returncode
        expect(refused == 2, f"probe.sh {arguments}: exit code {refused}; 2 was expected")


def main():
    job = test_kubernetes()
    test_schemas()
    test_dockerfile()
    test_definition()
    test_scripts()
    test_probe()
    with tempfile.TemporaryDirectory() as folder:
        test_user(pathlib.Path(folder))
        test_ssh(pathlib.Path(folder), job)
        test_steps(pathlib.Path(folder).resolve())
    if failures:
        sys.exit(1)
    print("container_test: done")


main()
