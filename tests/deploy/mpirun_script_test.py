"""launch/mpirun.sh: its mistakes, what it would start, and a real run on this machine:  mpirun_script_test.py SOURCE_DIR BUILD_DIR"""

import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True  # nothing is left beside the sources
from servers import MPI  # noqa: E402


class MpirunScriptTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weft-mpirun-")
        self.addCleanup(folder.cleanup)
        self.work = pathlib.Path(folder.name)

    def hosts(self, text):
        path = self.work / "hosts"
        path.write_text(text)
        return path

    def start(self, *arguments, **variables):
        known = ("OMPI_", "PMIX_", "SLURM_", "NCCL_", "UCX_", "WEFT_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(known)}
        environment |= {"WEFT": str(WEFT), **MPI}
        return subprocess.run([SOURCE / "launch/mpirun.sh", *map(str, arguments)], env=environment | variables, cwd=self.work,
                              capture_output=True, text=True, timeout=240)

    def assert_refused(self, arguments, *words, **variables):
        run = self.start(*arguments, **variables)
        self.assertEqual(run.returncode, 2, run.stderr)
        self.assertEqual(run.stdout, "")
        self.assertEqual(len(run.stderr.splitlines()), 1, run.stderr)
        for word in ("mpirun.sh: ", *words):
            self.assertIn(word, run.stderr)

    def refuse_hosts(self, text, *words, ranks=2):
        self.assert_refused(("--hosts", self.hosts(text), "--ranks-per-node", ranks, TINY), *words)

    def command(self, *arguments, **variables):
        """What it would start."""
        run = self.start("--dry-run", "--hosts", self.hosts("localhost slots=2\n127.0.0.1 slots=2\n"), "--ranks-per-node", 2,
                         *arguments, TINY, "--resume", "must", **variables)
        self.assertEqual(run.returncode, 0, run.stderr)
        return shlex.split(run.stdout)

    def test_wrong_host_files(self):
        self.refuse_hosts("", "names no machine", "slots=2")
        self.refuse_hosts("# nothing but words\n\n", "names no machine")
        self.refuse_hosts("localhost\n", "line 1", "no slots", "add slots=2")
        self.refuse_hosts("localhost slots=2\nlocalhost slots=two\n", "line 2", "slots is 'two'", "whole number")
        self.refuse_hosts("localhost slots=0\n", "slots is '0'")
        self.refuse_hosts("localhost slots=2\n", "2 slots for 4 ranks", "lower --ranks-per-node", ranks=4)
        self.refuse_hosts("no-such-machine.invalid slots=2", "no-such-machine.invalid", "getent ahosts")
        self.assert_refused(("--hosts", self.work / "nowhere", "--ranks-per-node", 2, TINY), "there is no file", "check the path")
        self.assert_refused(("--ranks-per-node", 2, TINY), "--hosts is missing", "launch/run.sh")

    def test_wrong_arguments(self):
        hosts = ("--hosts", self.hosts("localhost slots=2\n"))
        self.assert_refused(hosts, "no config given", "usage: ")
        self.assert_refused((*hosts, TINY), "--ranks-per-node is ''", "whole number")
        self.assert_refused((*hosts, "--ranks-per-node", "all", TINY), "'all'")
        self.assert_refused((*hosts, "--ranks-per-node", 2, "nowhere.yaml"), "there is no file nowhere.yaml")
        self.assert_refused((*hosts, "--ranks-per-node", 2, "--network", "token-ring", TINY), "token-ring", "infiniband or ethernet")
        self.assert_refused((*hosts, "--ranks-per-node", 2, "--interface", "eth0", TINY), "without a --network")
        self.assert_refused((*hosts, "--ranks-per-node", 2, "--network", "ethernet", "--interface", "none0", TINY), "none0", "ip -brief link")
        self.assert_refused((*hosts, TINY, "--ranks-per-node"), "has no value")
        self.assert_refused((*hosts, "--ranks-per-node", 2, TINY), "is no program", WEFT=str(self.work / "nothing"))

    def test_what_is_started(self):
        plain = self.command()
        self.assertEqual(plain[plain.index("-n") + 1], "4")
        self.assertEqual(plain[plain.index("--map-by") + 1], "ppr:2:node")
        self.assertEqual(plain[-5:], [str(WEFT), "run", str(TINY), "--resume", "must"])
        self.assertNotIn("btl", plain)

        ethernet = self.command("--network", "ethernet", "--interface", "lo")
        for word in ("NCCL_IB_DISABLE=1", "NCCL_SOCKET_IFNAME==lo", "tcp,vader,self", "btl_tcp_if_include"):
            self.assertIn(word, ethernet)

        self.assertEqual(self.command("--network=ethernet", "--interface=lo"), ethernet)
        self.assertEqual(self.start("--dry-run", f"--hosts={self.work}/hosts", "--ranks-per-node=2", TINY, "--resume", "must").stdout,
                         shlex.join(plain) + " \n")

        infiniband = self.command("--network", "infiniband", NCCL_DEBUG="INFO", NCCL_IB_HCA="=mlx5_0", CUDA_VISIBLE_DEVICES="1,0")
        for word in ("ucx", "UCX_TLS=rc,sm,self", "NCCL_IB_DISABLE=0", "NCCL_DEBUG=INFO", "NCCL_IB_HCA==mlx5_0"):
            self.assertIn(word, infiniband)
        self.assertFalse([word for word in infiniband if "CUDA_VISIBLE_DEVICES" in word])

    def test_a_run(self):
        hosts = self.hosts("# this machine\nlocalhost slots=2  # twice\n")
        run = self.start("--hosts", hosts, "--ranks-per-node", 2, "--network", "ethernet", "--interface", "lo", TINY,
                         "--output", self.work / "run")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("2 ranks x 1 threads", run.stderr)
        self.assertTrue((self.work / "run/results/metrics.json").exists())

        run = self.start("--hosts", hosts, "--ranks-per-node", 2, TINY, "--set", "training.steps=none")
        self.assertEqual(run.returncode, 2, run.stderr)

    def test_a_bundle(self):
        """Its own Open MPI, here and on another machine. For that one a second daemon here stands, in a bare environment: it knows what
        ssh would be told to start."""
        libtorch = re.search("(?m)^WEFT_LIBTORCH:PATH=(.*)", (BUILD / "CMakeCache.txt").read_text())[1]
        bundle = self.work / "bundle"
        subprocess.run([SOURCE / "deploy/bundle.sh", bundle, BUILD], check=True, stdout=subprocess.DEVNULL)
        shell = self.work / "shell"
        shell.write_text(f'#!/bin/bash\necho "$1" >>{self.work}/reached\nshift\nexec env -i HOME="$HOME" PATH=/usr/bin:/bin bash -c "$*"\n')
        shell.chmod(0o755)
        hosts = self.hosts("localhost slots=1\n192.0.2.99 slots=1\n")
        arguments = ("--hosts", hosts, "--ranks-per-node", 1, TINY, "--output", self.work / "run")
        variables = {"WEFT": str(bundle / "weft.sh"), "WEFT_LIBTORCH": libtorch, "OMPI_MCA_plm_rsh_agent": str(shell)}
        shown = self.start("--dry-run", *arguments, **variables).stdout
        words = shlex.split(shown)
        self.assertEqual(words[:4], [".", str(bundle / "env.sh"), "&&", "mpirun"])
        self.assertEqual(words[words.index("--prefix") + 1], str(bundle))
        self.assertIn(f"WEFT_LIBTORCH={libtorch}", words)

        run = self.start(*arguments, **variables)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual((self.work / "reached").read_text(), "192.0.2.99\n")
        self.assertIn("2 ranks x 1 threads", run.stderr)

        run = self.start(*arguments, WEFT=variables["WEFT"])
        self.assertEqual(run.returncode, 2, run.stderr)
        self.assertEqual(len(run.stderr.splitlines()), 1, run.stderr)
        self.assertIn("WEFT_LIBTORCH is ''", run.stderr)


if __name__ == "__main__":
    SOURCE, BUILD = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    WEFT = BUILD / "weft"
    TINY = SOURCE / "configs/tiny.yaml"
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
