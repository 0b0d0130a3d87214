"""Weft under a real Slurm of one node on this machine:  slurm_test.py SOURCE_DIR BUILD_DIR

Slurm and munge are those that deploy/install-test-servers.sh unpacks. They run out of a temporary folder, on ports of their own
on the loopback, and nothing of the system's is read or changed. The node is said to have more CPUs than the machine, and two GPUs
that are nothing but numbers to Slurm. Exit code 77 where Slurm is not there."""

import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import h5py

sys.dont_write_bytecode = True  # nothing is left beside the sources
from servers import MPI, SERVERS, free_ports  # noqa: E402

PATIENCE = 240  # s; nothing that works takes as long

CONFIGURATION = """
ClusterName=weft
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={work}/munge.socket
CredType=cred/munge
StateSaveLocation={work}/state
SlurmdSpoolDir={work}/spool
SlurmctldPidFile={work}/slurmctld.pid
SlurmdPidFile={work}/slurmd.pid
SlurmctldLogFile={work}/slurmctld.log
SlurmdLogFile={work}/slurmd.log
PluginDir={plugins}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1
KillWait=20
JobRequeue=1
MailProg=/bin/true
GresTypes=gpu
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=1000 State=UNKNOWN
PartitionName=all Nodes=node Default=YES MaxTime=INFINITE State=UP
"""


def wait_for(what, condition, job=None):
    """What condition() returns, once that is true."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.1)
    raise AssertionError(f"waited {PATIENCE} s for {what}" + (f": {job.shown()}\n{job.output()}" if job else ""))


def adopt_orphans():
    """Makes this process the parent of all that its children leave behind, as slurmd does with what runs a job."""
    PR_SET_CHILD_SUBREAPER = 36
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children():
    return [int(word) for word in pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


class Slurm:
    """munged, slurmctld and slurmd."""

    def __init__(self, work):
        self.work = work
        self.daemons = []
        plugins = SERVERS / "usr/lib/x86_64-linux-gnu/slurm-wlm"
        ours = ("SLURM_", "SBATCH_", "SRUN_", "OMPI_", "PMIX_", "PMI_", "WEFT_")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self.environment |= {
            "PATH": f"{SERVERS}/usr/bin:{SERVERS}/usr/sbin:{os.environ['PATH']}",
            "LD_LIBRARY_PATH": f"{plugins}:{plugins.parent}:{os.environ.get('LD_LIBRARY_PATH', '')}".rstrip(":"),
            "SLURM_CONF": str(work / "slurm.conf"), "OMPI_MCA_mpi_yield_when_idle": "1", **MPI}
        work.chmod(0o755)
        for folder in ("state", "spool"):
            (work / folder).mkdir()
        key = work / "munge.key"
        key.write_bytes(os.urandom(256))
        key.chmod(0o600)
        controller_port, node_port = free_ports(2)
        (work / "slurm.conf").write_text(CONFIGURATION.format(
            host=socket.gethostname().split(".")[0], user=subprocess.check_output(["id", "-un"], text=True).strip(),
            work=work, plugins=plugins, controller_port=controller_port, node_port=node_port))

    def start(self):
        self.daemon("munged", "--foreground", "--force", *(f"--{name}={self.work}/munge.{end}" for name, end in (
            ("key-file", "key"), ("socket", "socket"), ("pid-file", "pid"), ("log-file", "log"), ("seed-file", "seed"))))
        wait_for("munged", (self.work / "munge.socket").exists)
        self.daemon("slurmctld-wlm", "-D")
        self.started = time.monotonic()
        self.daemon("slurmd-wlm", "-D", "-N", "node", "-d", f"{SERVERS}/usr/sbin/slurmstepd-wlm")
        wait_for("an idle node", lambda: self.call("sinfo", "--noheader", "--format=%T").stdout.strip() == "idle")
        # The node has no files for them, so that its own configuration would not do.
        self.call("scontrol", "update", "NodeName=node", "Gres=gpu:2")

    def wait_for_look_at_limits(self, lead):
        """Until `lead` seconds before Slurm looks at the time limits of its jobs, which it does twice a minute."""
        time.sleep((30 - lead - (time.monotonic() - self.started)) % 30)

    def daemon(self, program, *arguments):
        with open(self.work / f"{program}.out", "w") as out:
            self.daemons.append(subprocess.Popen([SERVERS / "usr/sbin" / program, *arguments], env=self.environment,
                                                 stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.work))

    def stop(self):
        """Jobs first, then the daemons; what has outlived them is ended too."""
        if len(self.daemons) == 3:
            self.call("scancel", "--user", os.getuid(), "--signal=KILL", "--full")
            self.call("scancel", "--user", os.getuid())
            for _ in range(100):
                if not self.call("squeue", "--noheader").stdout:
                    break
                time.sleep(0.1)
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        while left := children():
            for process in left:
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)

    def call(self, *command, **variables):
        environment = {name: value for name, value in (self.environment | variables).items() if value is not None}
        return subprocess.run([str(word) for word in command], env=environment, cwd=self.work,
                              capture_output=True, text=True, timeout=PATIENCE)


class Job:
    """One that launch/slurm/weft.sbatch was submitted for."""

    def __init__(self, *arguments, options=(), source=None, **variables):
        """`source`: the checkout whose script it is. Variables that are None are not set."""
        defaults = ("--gpus-per-node=0", "--ntasks-per-node=2", "--cpus-per-task=1", f"--output={slurm.work}/job-%j.out")
        said = slurm.call("sbatch", "--parsable", *defaults, *options, (source or SOURCE) / "launch/slurm/weft.sbatch", *arguments,
                          **{"WEFT": str(WEFT)} | variables)
        if said.returncode != 0:
            raise AssertionError(said.stderr)
        self.number = said.stdout.strip()

    def shown(self):
        return slurm.call("scontrol", "--oneliner", "show", "job", self.number).stdout

    def field(self, name):
        """Of each of its tasks, where it is an array."""
        return re.findall(rf"\b{name}=(\S*)", self.shown())

    def state(self):
        return self.field("JobState")[0]

    def output(self, task=None):
        path = slurm.work / (f"job-{self.number}_{task}.out" if task else f"job-{self.number}.out")
        return path.read_text() if path.exists() else ""

    def wait(self):
        """Until it is over, its exit code."""
        over = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"}
        wait_for(f"the end of job {self.number}", lambda: over.issuperset(self.field("JobState")), self)
        return {int(code.split(":")[0]) for code in self.field("ExitCode")}

    def wait_for_requeue(self):
        """Of all of its tasks, where it is an array."""
        wait_for(f"the requeue of job {self.number}",
                 lambda: "0" not in self.field("Restarts") and {"PENDING"} == set(self.field("JobState")), self)

    def go_on(self):
        """Slurm lets a job that went back into the queue wait for two minutes; a node refuses it in the second of its end."""
        time.sleep(3)
        slurm.call("scontrol", "update", f"JobId={self.number}", "StartTime=now", "TimeLimit=UNLIMITED")


def stub(name, commands):
    """In weft's place one that is stopped at once."""
    path = slurm.work / name
    path.write_text(f"#!/bin/sh\n{commands}\nexit 75\n")
    path.chmod(0o755)
    return str(path)


def weft_alone(*arguments):
    """Outside of Slurm, on two ranks."""
    run = slurm.call("mpirun", "--quiet", "-n", 2, WEFT, "run", *arguments)
    if run.returncode != 0:
        raise AssertionError(run.stderr)


def metrics_of(folder):
    return json.loads((folder / "results/metrics.json").read_text())


def model_of(folder):
    """All arrays of the final model, as bytes."""
    newest = folder / "checkpoints" / (folder / "checkpoints/latest").read_text().strip()
    arrays = {}
    for file in sorted(newest.glob("*.h5")):
        with h5py.File(file) as content:
            content.visititems(lambda name, entry: arrays.update({f"{file.name}/{name}": entry[()].tobytes()})
                               if isinstance(entry, h5py.Dataset) else None)
    return arrays


class SlurmTest(unittest.TestCase):
    def assert_refused(self, job, *words):
        """In one line, before a step was started."""
        self.assertEqual(job.wait(), {2}, job.output())
        lines = job.output().splitlines()
        self.assertEqual(len(lines), 1, lines)
        for word in words:
            self.assertIn(word, lines[0])

    def same_result(self, one, other):
        model = model_of(one)
        self.assertTrue(any(name.endswith(".h5/connectivity") for name in model), model.keys())
        self.assertEqual(model, model_of(other))
        self.assertEqual(metrics_of(one)["connectivity"], metrics_of(other)["connectivity"])

    def test_by_mpirun_and_without_a_limit(self):
        job = Job(TINY, "--output", slurm.work / "unlimited", options=("--time=UNLIMITED",), WEFT_LAUNCHER="mpirun")
        self.assertEqual(job.wait(), {0}, job.output())
        self.assertIn("no time limit", job.output())
        self.assertIn("2 ranks x 1 threads", job.output())
        self.assertTrue((slurm.work / "unlimited/results/metrics.json").exists())

    def running(self, name, **variables):
        """A job whose training has begun and would take hours."""
        job = Job(TINY, "--set", "training.steps=100000000", "--set", "checkpoint.interval=0.5", "--output", slurm.work / name,
                  options=("--time=60",), **variables)
        wait_for("a checkpoint", (slurm.work / name / "checkpoints/latest").exists)
        return job

    def test_mpirun_hands_on_what_the_shell_is_told(self):
        job = self.running("by-mpirun", WEFT_LAUNCHER="mpirun")
        slurm.call("scancel", "--signal=USR1", "--batch", job.number)
        job.wait_for_requeue()
        slurm.call("scancel", job.number)
        self.assertIn("weft: stopped: train, after step", job.output())

    def test_stopped_for_good_by_hand(self):
        targets = slurm.work / "targets.json"
        job = self.running("by-hand", WEFT_METRICS_TARGETS=str(targets))
        self.assertEqual(len(json.loads(targets.read_text())), 1)
        slurm.call("scancel", "--signal=TERM", "--batch", job.number)
        self.assertEqual(job.wait(), {75}, job.output())
        self.assertIn("weft: stopped: train, after step", job.output())
        self.assertEqual(job.field("Restarts"), ["0"])

    def test_cancelled(self):
        job = self.running("cancelled")
        slurm.call("scancel", job.number)
        job.wait()
        self.assertEqual(job.state(), "CANCELLED")
        wait_for("the saved state", lambda: "weft: stopped: train, after step" in job.output())
        self.assertEqual(job.field("Restarts"), ["0"])

    def test_does_not_come_back_where_it_gets_no_further(self):
        # In weft's place one that stops where it had stopped before.
        weft = stub("stuck", "echo \"options: $*\"; echo 'weft: stopped: train, after step 7; the same command goes on from there' >&2")
        job = Job(TINY, "--redo", "train", "--redo=evaluate", "--resume", "never", "--resume=never", "--set", "seed=1",
                  options=("--time=60", "--ntasks-per-node=1"), WEFT=weft)
        job.wait_for_requeue()
        job.go_on()
        self.assertEqual(job.wait(), {75}, job.output())
        self.assertIn("would not get further", job.output())
        self.assertEqual(job.field("Restarts"), ["1"])
        # What begins a run anew is for the first job alone.
        anew = "--redo train --redo=evaluate --resume never --resume=never"
        options = re.findall("(?m)^options: (.*)", job.output())
        self.assertEqual(options, [f"run {TINY} {anew} --set seed=1", f"run {TINY} --set seed=1"])
        self.assertEqual(re.findall("(?m)^weft.sbatch: restarted, .*: (.*) is left out$", job.output()), [anew])

    def test_comes_back_only_so_often_where_its_output_does_not_tell(self):
        def job(**variables):
            return Job(TINY, options=("--time=60", "--ntasks-per-node=1", "--output=/dev/null"), WEFT=stub("mute", ""), **variables)

        first = job()
        first.wait_for_requeue()
        slurm.call("scancel", first.number)
        # sbatch hands this on to a job that was never restarted.
        last = job(SLURM_RESTART_COUNT="20")
        self.assertEqual(last.wait(), {75})
        self.assertEqual(last.field("Restarts"), ["0"])

    def test_the_program_of_a_checkout_whose_path_has_blanks(self):
        checkout = slurm.work / "a check out"
        (checkout / "launch/slurm").mkdir(parents=True)
        (checkout / "build/release").mkdir(parents=True)
        shutil.copy(SOURCE / "launch/slurm/weft.sbatch", checkout / "launch/slurm")
        (checkout / "build/release/weft").symlink_to(WEFT)
        job = Job(TINY, "--output", slurm.work / "blanks", source=checkout, WEFT=None)
        self.assertEqual(job.wait(), {0}, job.output())
        self.assertTrue((slurm.work / "blanks/results/metrics.json").exists())

    def test_without_pmix(self):
        run = slurm.call("srun", "-n", 2, "--mpi=none", WEFT, "run", TINY, "--output", slurm.work / "singletons")
        self.assertEqual(run.returncode, 2, run.stderr)
        lines = [line for line in run.stderr.splitlines() if not line.startswith("srun: ")]
        self.assertEqual(len(lines), 1, run.stderr)
        self.assertIn("srun --mpi=pmix", lines[0])
        self.assertFalse((slurm.work / "singletons").exists())

    def test_a_sweep(self):
        sweep = slurm.work / "sweep.txt"
        # Both are warned at once, so that one of them has the number of the array. The first number is enough unless the machine is fast.
        for steps in (20000, 80000, 320000):
            runs = [slurm.work / f"sweep-{steps}-{task}" for task in (1, 2)]
            sweep.write_text("".join(f"--output {run} --set seed={seed}\n" for seed, run in enumerate(runs)))
            job = Job(TINY, "--set", f"training.steps={steps}", "--set", "checkpoint.interval=0.5",
                      options=("--array=1-2", "--ntasks-per-node=1", f"--output={slurm.work}/job-%A_%a.out"), WEFT_SWEEP=str(sweep))
            wait_for("checkpoints", lambda: all((run / "checkpoints/latest").exists() for run in runs), job)
            slurm.call("scancel", "--signal=USR1", "--batch", job.number)
            wait_for("requeues", lambda: {"PENDING", "COMPLETED"}.issuperset(job.field("JobState")), job)
            if all("weft: stopped: train, " in job.output(task) for task in (1, 2)):
                break
            slurm.call("scancel", job.number)
        job.wait_for_requeue()
        for task, run in enumerate(runs, 1):
            self.assertIn(f"job {job.number}_{task} goes back into the queue", job.output(task))
            self.assertFalse((run / "results/metrics.json").exists())
        job.go_on()
        self.assertEqual(job.wait(), {0}, job.shown())
        self.assertEqual(job.field("Restarts"), ["1", "1"])
        for task in (1, 2):
            self.assertIn("train: goes on from", job.output(task))
        self.assertNotEqual(*map(model_of, runs))

        self.assert_refused(Job(TINY, WEFT_SWEEP=str(sweep)), "no array job", "--array=1-N")

    def test_mistakes(self):
        self.assert_refused(Job("nowhere.yaml"), "there is no file nowhere.yaml", "check the path")
        self.assert_refused(Job(TINY, options=("--time=2",)), "--time", "more than 180 s", "--time=10")
        self.assert_refused(Job(TINY, options=("--gpus-per-node=2", "--ntasks-per-node=4")), "2 GPUs and 4 ranks", "--gpus-per-node=N")

    @unittest.skipIf(pathlib.Path("/dev/nvidia0").exists(), "there are GPUs")
    def test_a_gpu_that_is_not_there(self):
        """Though Slurm gave it to the job."""
        job = Job(TINY, "--output", slurm.work / "no-gpu", options=("--gpus-per-node=2",))
        self.assertEqual(job.wait(), {2}, job.output())
        self.assertRegex(job.output(), r"(?m)^weft: device: cuda, but ")
        self.assertFalse((slurm.work / "no-gpu").exists())

    def warned(self, run):
        """A job that Slurm has warned and that has put itself back; nothing where it was done before."""
        slurm.wait_for_look_at_limits(lead=8)
        # Slurm warns up to a minute early: here at the next look.
        job = Job(*run, options=("--time=60", "--signal=B:SIGUSR1@3590"))
        wait_for("a warning", lambda: job.field("Restarts")[0] != "0" or job.state() == "COMPLETED", job)
        return job if job.field("Restarts")[0] != "0" else None

    def test_warned_before_the_time_limit_it_goes_on_after_it(self):
        # The first number is enough unless the machine is so fast that Slurm comes too late.
        for steps in (1500, 6000, 24000):
            whole, parts = slurm.work / f"whole-{steps}", slurm.work / f"parts-{steps}"
            run = (TINY, "--set", "simulation.neurons=1500", "--set", f"training.steps={steps}", "--output")
            weft_alone(*run, whole)
            if job := self.warned((*run, parts)):
                break
        self.assertIsNotNone(job, "every run was done before Slurm looked at its time limit")
        job.wait_for_requeue()
        self.assertIn("the time limit is near", job.output())
        self.assertRegex(job.output(), r"(?m)^weft: stopped: train, after step \d+")
        self.assertIn("goes back into the queue", job.output())
        self.assertFalse((parts / "results/metrics.json").exists())

        job.go_on()
        self.assertEqual(job.wait(), {0}, job.output())
        self.assertIn("train: goes on from", job.output())
        self.same_result(parts, whole)


if __name__ == "__main__":
    adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the daemons end too
    SOURCE, BUILD = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    WEFT = BUILD / "weft"
    TINY = SOURCE / "configs/tiny.yaml"
    if not (SERVERS / "complete").exists():
        print(f"skipped: there is no Slurm in {SERVERS} (deploy/install-test-servers.sh)")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="weft-slurm-") as folder:
        slurm = Slurm(pathlib.Path(folder))
        try:
            slurm.start()
            unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
        finally:
            slurm.stop()
