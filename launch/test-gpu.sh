#!/usr/bin/env bash
# What needs a GPU:  launch/test-gpu.sh [RESULT.json]
# Builds Weft, runs the tests labelled gpu, the quick ones among them under compute-sanitizer too, and the benchmark's cases on
# a GPU, and writes one JSON (gpu-results.json unless named) with the machine, the commit and all results.
# Exit code: 0 nothing failed, 1 something failed, 2 there is no GPU here.
set -euo pipefail

result=$(realpath -m "${1:-gpu-results.json}")
refuse() {
  echo "test-gpu.sh: $1" >&2
  exit 2
}
command -v nvidia-smi >/dev/null || refuse "no NVIDIA driver on this node (nvidia-smi is missing)"
gpus=$(nvidia-smi --query-gpu=name,uuid,memory.total,driver_version --format=csv,noheader 2>&1) ||
  refuse "no GPU on this node: ${gpus%%$'\n'*}"

source "$(dirname "${BASH_SOURCE[0]}")/setup.sh" all
[ -f "$build/libweft_cuda.so" ] || refuse "this build has no CUDA; install nvcc and NCCL, remove $build and try again"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$build"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(nproc)}

echo "test-gpu: tests"
ctest -L '^gpu$' --output-on-failure --output-junit "$work/tests.xml" || true

sanitizer=$(PATH=$PATH:/usr/local/cuda/bin command -v compute-sanitizer || true)
[ -n "$sanitizer" ] || echo "test-gpu: compute-sanitizer is not here; left out" >&2
for tool in memcheck racecheck initcheck; do
  [ -n "$sanitizer" ] || break
  for program in gpu_device_test {adam,row,mlp,spline,dot}_kernels_gpu_test training_schedule_gpu_test simulation_step_gpu_test; do
    echo "test-gpu: $tool of $program"
    chosen='*'
    [ "$program" != simulation_step_gpu_test ] || chosen='-*ManyRows*'  # which takes long under a sanitizer
    status=0
    "$sanitizer" --tool "$tool" --error-exitcode 9 "$(find tests -name "$program" -type f)" --gtest_filter="$chosen" \
      >"$work/$tool.$program.txt" 2>&1 || status=$?
    echo "$tool $program $status" >>"$work/sanitizer.txt"
    [ "$status" -eq 0 ] || tail -n 20 "$work/$tool.$program.txt" >&2
  done
done

echo "test-gpu: benchmark"
benchmark=0
./weft_benchmark --benchmark_filter='[gG]pu|[cC]uda' --benchmark_out="$work/benchmark.json" --benchmark_out_format=json ||
  benchmark=$?

GPUS=$gpus VERSION=$(./weft --version) COMMIT=$(git -C "$root" describe --always --dirty=+changes --abbrev=12 --exclude='*') \
  python3 - "$work" "$result" "$benchmark" <<'PYTHON'
import json, os, pathlib, platform, sys
import xml.etree.ElementTree as xml

work, result, benchmark = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
outcome = {"run": "passed", "fail": "failed", "notrun": "skipped"}
tests = [{"name": case.get("name"), "result": outcome.get(case.get("status"), case.get("status")),
          "seconds": float(case.get("time", 0))} for case in xml.parse(work / "tests.xml").iter("testcase")]
sanitizer = [dict(zip(("tool", "program", "exit_code"), line.split()))
             for line in (work / "sanitizer.txt").read_text().splitlines()] if (work / "sanitizer.txt").exists() else []
for check in sanitizer:
    check["exit_code"] = int(check["exit_code"])
try:
    timings = json.loads((work / "benchmark.json").read_text())
except (OSError, ValueError):
    timings = None
failed = [test["name"] for test in tests if test["result"] not in ("passed", "skipped")]
failed += [f"{check['tool']} of {check['program']}" for check in sanitizer if check["exit_code"] != 0]
failed += ["benchmark"] if benchmark != 0 else []
if not any(test["result"] == "passed" for test in tests):
    failed.append("no test ran")
json.dump({"machine": {"host": platform.node(), "cpus": os.cpu_count(),
                       "gpus": [dict(zip(("name", "uuid", "memory", "driver"), line.split(", ")))
                                for line in os.environ["GPUS"].splitlines()]},
           "commit": os.environ["COMMIT"], "version": os.environ["VERSION"].splitlines(), "tests": tests,
           "sanitizer": sanitizer, "benchmark": timings, "failed": failed},
          open(result, "w"), indent=1)
passed, skipped = (sum(test["result"] == one for test in tests) for one in ("passed", "skipped"))
print(f"test-gpu: {result}; tests: {passed} passed, {skipped} skipped" + (f"; failed: {', '.join(failed)}" if failed else ""))
sys.exit(1 if failed else 0)
PYTHON
