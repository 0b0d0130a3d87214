"""The servers that deploy/install-test-servers.sh unpacks, and what tests need to run Weft beside them."""

import os
import pathlib
import socket

SERVERS = pathlib.Path(os.environ.get("WEFT_TEST_SERVERS") or
                       pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "weft/test-servers-1")

# As root, and on more ranks than there are cores.
MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
       "OMP_NUM_THREADS": "1"}


def free_ports(count):
    """Ports of 127.0.0.1 that differ."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
