"""A real Slurm for the tests: controller, two nodes with a make-believe GPU each, and its own munged, all on loopback.

It needs the packages slurm-wlm and munge; no root, no systemd, no cgroups. All its files are in one folder.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "sinfo", "scancel")
NODES = ("n1", "n2")
NODE = "CPUs=2 RealMemory=64000 Gres=gpu:1"  # what each says of itself; memory is scheduled, not enforced

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
# No systemd and no cgroups.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
# squeue has to show jobs that have ended when Snakemake asks for them.
MinJobAge=3600
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
KillWait=2
ReturnToService=2
SlurmdParameters=config_overrides
GresTypes=gpu
{nodes}
PartitionName=cpu Nodes=ALL Default=YES MaxTime=4:00:00 State=UP
PartitionName=gpu Nodes=ALL MaxTime=UNLIMITED State=UP
"""

# Snakemake's job step drops SLURM_CONF, with all of SLURM_*, before it calls srun.
SRUN = """\
#!/bin/sh
SLURM_CONF={folder}/slurm.conf exec {program} "$@"
"""

# Snakemake asks at ever longer intervals. This one waits until another job has ended, half a minute at most, before it answers.
SQUEUE = """\
#!/bin/sh
ended() {{ {program} --noheader --states=CD,CA,F,TO,NF,OOM | wc -l; }}
for _ in $(seq 60); do
    [ "$(ended)" = "$(cat {folder}/ended)" ] || break
    sleep .5
done
ended > {folder}/ended
exec {program} "$@"
"""


def missing() -> str | None:
    """Why no Slurm can be started here; None if one can."""
    absent = [program for program in PROGRAMS if not find(program)]
    if absent:
        return f"Slurm is not installed ({', '.join(absent)}): apt-get install slurm-wlm munge"
    try:
        socket.getaddrinfo(short_name(), None)
    except OSError:
        return f"Slurm needs a host name that resolves: {short_name()} does not"
    return None


def find(program: str) -> str | None:
    """Path of a program, also of one that only root's PATH has."""
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def short_name() -> str:
    """This machine's name as Slurm uses it."""
    return socket.gethostname().split(".")[0]


@contextlib.contextmanager
def local_slurm(folder: Path) -> Iterator[dict[str, str]]:
    """Start a Slurm that keeps all it has in `folder`; give the environment variables by which commands reach it; stop it."""
    for name in ("munge", "state", "bin", *(f"spool/{node}" for node in NODES)):
        (folder / name).mkdir(parents=True)
    write_configuration(folder)
    variables = {"SLURM_CONF": f"{folder}/slurm.conf", "PATH": f"{folder}/bin:{os.environ['PATH']}"}
    environment, squeue = {**os.environ, **variables}, str(find("squeue"))
    munge = ["munged", "--force", *(f"--{name}-file={folder}/munge/{name}" for name in ("key", "pid", "log", "seed"))]
    pids = []
    try:
        pids.append(daemon([*munge, f"--socket={folder}/munge/socket"], folder / "munge/pid", environment))
        pids.append(daemon(["slurmctld"], folder / "slurmctld.pid", environment))
        pids += [daemon(["slurmd", "-N", node], folder / f"slurmd.{node}.pid", environment) for node in NODES]
        idle = ("sinfo", "-hN", "-p", "cpu", "-t", "idle")
        wait_for(lambda: len(slurm(*idle, environment=environment).splitlines()) == len(NODES), 30, "idle nodes")
        yield variables
    finally:
        if len(pids) > 1:
            slurm("scancel", f"--user={os.getuid()}", environment=environment)
            with contextlib.suppress(TimeoutError):
                wait_for(lambda: not slurm(squeue, "-h", environment=environment), 10, "empty queue")
        stop(pids)


def write_configuration(folder: Path) -> None:
    """Write slurm.conf, gres.conf, the key of munged, and a wrapper of srun."""
    ports = free_ports(1 + len(NODES))
    nodes = [
        f"NodeName={node} NodeHostname={short_name()} NodeAddr=127.0.0.1 Port={port} {NODE}"
        for node, port in zip(NODES, ports[1:], strict=True)
    ]
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    text = CONFIGURATION.format(host=short_name(), ports=ports, user=user, folder=folder, nodes="\n".join(nodes))
    (folder / "slurm.conf").write_text(text)
    (folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")  # a make-believe GPU
    key = folder / "munge/key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    for program, script in (("srun", SRUN), ("squeue", SQUEUE)):
        (folder / f"bin/{program}").write_text(script.format(program=find(program), folder=folder))
        (folder / f"bin/{program}").chmod(0o755)


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def daemon(command: list[str], pid_file: Path, environment: dict[str, str]) -> int:
    """Start a daemon, which goes into the background by itself; return its process id."""
    path = find(command[0])
    assert path is not None
    subprocess.run([path, *command[1:]], env=environment, check=True, timeout=30, stdout=subprocess.DEVNULL)
    wait_for(lambda: pid_file.exists() and pid_file.read_text().strip() != "", 10, command[0])
    return int(pid_file.read_text())


def slurm(*command: str, environment: dict[str, str] | None = None) -> str:
    """Output of one of Slurm's commands."""
    return subprocess.run(command, env=environment, check=True, timeout=30, stdout=subprocess.PIPE, text=True).stdout.strip()


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until a condition holds; raises TimeoutError if it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"no {what} after {seconds} s")
        time.sleep(0.1)


def alive(pid: int) -> bool:
    """Whether a process still runs (one that ended and that nobody has waited for does not)."""
    with contextlib.suppress(OSError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def stop(pids: list[int]) -> None:
    """End daemons, the last started first; those that do not listen (a slurmd without its controller) are killed."""
    for kind, seconds in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
        for pid in reversed(pids):
            if alive(pid):
                os.kill(pid, kind)
        with contextlib.suppress(TimeoutError):
            wait_for(lambda: not any(map(alive, pids)), seconds, "end of the daemons")
            return
