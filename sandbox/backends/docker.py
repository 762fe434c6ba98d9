"""Slots as Docker containers.

The engine is asked for lifecycle only: create, start, remove. Runs go over a unix socket in a folder that is mounted
into the container, so a slow or restarting engine does not hold up a slot. The container has no network, a read-only
root, our system call profile and only the capabilities the runner needs; the program inside has none of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import tempfile
import time
from importlib import resources
from pathlib import Path
from typing import Any

from docker.api import APIClient
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import Mount, Ulimit
from docker.utils import kwargs_from_env

from sandbox.errors import SandboxError
from sandbox.runner.isolation import AREA_BYTES, AREA_INODES

DEFAULT_IMAGE = "rlef-sandbox:latest"
LABEL = "rlef.owner"
_START_S = 30.0
_ENGINE_S = 30
_UIDS_PER_SLOT = 1 << 16
_PROCESSES = 1024
_BASIC_CAPABILITIES = ["SETUID", "SETGID", "KILL", "CHOWN", "DAC_OVERRIDE", "FOWNER"]
_STRICT_CAPABILITIES = [*_BASIC_CAPABILITIES, "SYS_ADMIN"]
_INSIDE = "/opt/rlef/sandbox"


class DockerCell:
    """One container."""

    def __init__(self, client: Any, container: str, channel: socket.socket) -> None:
        self.channel = channel
        self._client = client
        self._container = container

    def destroy(self) -> None:
        """Close the channel, which ends the runner, and remove the container in case it did not."""
        self.channel.close()
        with contextlib.suppress(DockerException, OSError):
            self._client.remove_container(self._container, force=True)


class DockerBackend:
    """Starts containers of one image. Needs an engine on this machine: the channel is a unix socket."""

    name = "docker"

    def __init__(self, image: str | None, memory_mb: int, mode: str) -> None:
        self._image = image or os.environ.get("RLEF_SANDBOX_IMAGE") or DEFAULT_IMAGE
        self._memory_mb = memory_mb
        self._mode = mode
        try:
            self._client = APIClient(**_from_environment(), version="auto", timeout=_ENGINE_S)
        except (DockerException, OSError) as error:
            raise SandboxError(
                f"no Docker Engine answers ({_short(error)}); start it, "
                "or run `make setup` (`sh docker/engine.sh`) as root"
            ) from error
        self._folder = Path(tempfile.mkdtemp(prefix="rlef-sandbox-"))
        self._profile = json.dumps(json.loads(resources.files("sandbox.backends").joinpath("seccomp.json").read_text()))

    def check(self) -> None:
        """The image must be there. Containers whose owner was killed before they started are removed."""
        try:
            self._client.inspect_image(self._image)
        except ImageNotFound as error:
            raise SandboxError(
                f"the sandbox image {self._image} is missing; run `make setup` (`sh docker/image.sh`), "
                "or name another with image= or RLEF_SANDBOX_IMAGE"
            ) from error
        except (DockerException, OSError) as error:
            raise SandboxError(f"the Docker Engine does not answer: {_short(error)}; look at its log") from error
        with contextlib.suppress(DockerException, OSError):
            for found in self._client.containers(all=True, filters={"label": LABEL}):
                if abandoned(found["Labels"][LABEL], found["State"]):
                    self._discard(found["Id"])

    def start(self) -> DockerCell:
        """Create and start a container and wait until its runner connects."""
        name = f"rlef-{secrets.token_hex(6)}"
        folder = self._folder / name
        folder.mkdir(mode=0o700)
        listener = socket.socket(socket.AF_UNIX)
        container = ""
        try:
            listener.bind(str(folder / "s"))
            listener.listen(1)
            listener.settimeout(0.5)
            container = self._create(name, folder)
            self._client.start(container)
            return DockerCell(self._client, container, self._accept(listener, container))
        except (DockerException, OSError) as error:
            self._discard(container)
            raise SandboxError(f"a sandbox container does not start: {_short(error)}") from error
        except SandboxError:
            self._discard(container)
            raise
        finally:
            # Nobody but the runner, which has connected by now, can ever reach this slot.
            listener.close()
            shutil.rmtree(folder, ignore_errors=True)

    def _create(self, name: str, folder: Path) -> str:
        package = Path(str(resources.files("sandbox")))
        area = f"size={AREA_BYTES},nr_inodes={AREA_INODES},mode=1777,nosuid,nodev"
        host_config = self._client.create_host_config(
            auto_remove=True,
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            cap_add=_BASIC_CAPABILITIES if self._mode == "basic" else _STRICT_CAPABILITIES,
            security_opt=["no-new-privileges", f"seccomp={self._profile}", *self._unmasked()],
            pids_limit=_PROCESSES,
            mem_limit=f"{self._memory_mb}m",
            memswap_limit=f"{self._memory_mb}m",
            shm_size=AREA_BYTES,
            ipc_mode="private",
            tmpfs={"/box": f"{area},exec", "/tmp": f"{area},exec"},
            log_config={"type": "none"},
            ulimits=[Ulimit(name="core", soft=0, hard=0)],
            mounts=[
                Mount(f"{_INSIDE}/runner", str(package / "runner"), type="bind", read_only=True),
                Mount(f"{_INSIDE}/protocol.py", str(package / "protocol.py"), type="bind", read_only=True),
                Mount("/run/channel", str(folder), type="bind", read_only=True),
            ],
        )
        host_config["CgroupnsMode"] = "private"
        uid_base = (1 << 29) + secrets.randbelow(1 << 14) * _UIDS_PER_SLOT
        created = self._client.create_container(
            self._image,
            name=name,
            hostname="sandbox",
            command=["/usr/bin/python3", "-s", "-B", "-m", "sandbox.runner", "/run/channel/s", str(uid_base)],
            environment={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONPATH": "/opt/rlef"},
            working_dir="/",
            labels={LABEL: owner_label()},
            host_config=host_config,
        )
        return str(created["Id"])

    def _unmasked(self) -> list[str]:
        # Where AppArmor is on, its default profile for containers refuses the mounts of strict mode.
        active = Path("/sys/kernel/security/apparmor").exists()
        return ["apparmor=unconfined"] if active and self._mode != "basic" else []

    def _accept(self, listener: socket.socket, container: str) -> socket.socket:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                return listener.accept()[0]
            try:
                if not self._client.inspect_container(container)["State"]["Running"]:
                    break
            except NotFound:
                break
        raise SandboxError(
            "a sandbox container started but its runner did not connect; the Docker Engine must run on this machine, "
            f"and {self._image} must hold /usr/bin/python3 (3.11 or later)"
        )

    def _discard(self, container: str) -> None:
        if container:
            with contextlib.suppress(DockerException, OSError):
                self._client.remove_container(container, force=True)

    def close(self) -> None:
        """Remove our folder and let the engine go."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._client.close()


def owner_label(pid: int | str = "self") -> str:
    """Who a process is, for ever: boot, namespace of its pid, pid, start time. Raises OSError if there is none."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    number, _, facts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    return f"{boot}:{_pid_namespace()}:{number.split()[0]}:{facts.split()[19]}"


def abandoned(label: str, state: str) -> bool:
    """Whether a container in this state belongs to a process that is no more, as far as can be seen from here."""
    boot, _, rest = label.partition(":")
    namespace, _, rest = rest.partition(":")
    mine = owner_label().split(":")
    if boot != mine[0]:
        return state != "running"  # nothing survives a restart of the machine but what never ran
    if namespace != mine[1]:
        return False  # its owner cannot be seen from here; a runner whose owner is gone ends by itself
    try:
        return owner_label(rest.partition(":")[0]) != label
    except OSError:
        return True


def _pid_namespace() -> str:
    return os.readlink("/proc/self/ns/pid").strip("pid:[]")


def _from_environment() -> dict[str, Any]:
    return dict(kwargs_from_env())


def _short(error: Exception) -> str:
    text = error.explanation if isinstance(error, APIError) and error.explanation else str(error)
    return str(text).strip().splitlines()[0][:300] if str(text).strip() else type(error).__name__
