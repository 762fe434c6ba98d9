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
import time
from importlib import resources
from pathlib import Path
from typing import Any

from docker.api import APIClient
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import Mount, Ulimit
from docker.utils import kwargs_from_env

from sandbox.backends.owner import abandoned, make_folder, owner_label, prune_folders
from sandbox.errors import SandboxError
from sandbox.runner.isolation import AREA_BYTES, AREA_INODES
from sandbox.runner.kernel import BASIC_CAPABILITIES, STRICT_CAPABILITIES

DEFAULT_IMAGE = "rlef-sandbox:latest"
LABEL = "rlef.owner"
_ALIVE = ("running", "paused", "restarting")
_START_S = 30.0
_ENGINE_S = 30
_UIDS_PER_SLOT = 1 << 16
_PROCESSES = 1024
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
        self._client = _connect()
        self._folder = make_folder()
        self._profile = json.dumps(json.loads(resources.files("sandbox.backends").joinpath("seccomp.json").read_text()))

    def check(self) -> None:
        """The image must be there. What a killed owner left is removed."""
        try:
            self._client.inspect_image(self._image)
        except ImageNotFound as error:
            raise SandboxError(
                f"the sandbox image {self._image} is missing; run `make setup` (`sh docker/image.sh`), "
                "or name another with image= or RLEF_SANDBOX_IMAGE"
            ) from error
        except (DockerException, OSError) as error:
            raise SandboxError(f"the Docker Engine does not answer: {_short(error)}; look at its log") from error
        prune_folders()
        _prune(self._client)

    def versions(self) -> dict[str, str]:
        """The engine and what it starts containers with."""
        try:
            answer = self._client.version()
        except (DockerException, OSError) as error:
            raise SandboxError(f"the Docker Engine does not answer: {_short(error)}; look at its log") from error
        parts = {part["Name"].lower(): part["Version"] for part in answer.get("Components") or []}
        return {
            "engine": str(answer["Version"]),
            **{name: parts[name] for name in ("containerd", "runc") if name in parts},
        }

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
            cap_add=list(BASIC_CAPABILITIES if self._mode == "basic" else STRICT_CAPABILITIES),
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


def prune_containers() -> list[str]:
    """Remove containers whose owner is gone, never another living owner's; returns their names. Raises SandboxError."""
    client = _connect()
    try:
        return _prune(client)
    finally:
        client.close()


def _prune(client: Any) -> list[str]:
    removed = []
    with contextlib.suppress(DockerException, OSError):
        for found in client.containers(all=True, filters={"label": LABEL}):
            if abandoned(found["Labels"][LABEL], found["State"] in _ALIVE):
                with contextlib.suppress(DockerException, OSError):
                    client.remove_container(found["Id"], force=True)
                    removed.append(found["Names"][0].lstrip("/"))
    return removed


def _connect() -> Any:
    try:
        return APIClient(**_from_environment(), version="auto", timeout=_ENGINE_S)
    except (DockerException, OSError) as error:
        raise SandboxError(
            f"no Docker Engine answers ({_short(error)}); start it, or run `make setup` (`sh docker/engine.sh`) as root"
        ) from error


def _from_environment() -> dict[str, Any]:
    return dict(kwargs_from_env())


def _short(error: Exception) -> str:
    text = error.explanation if isinstance(error, APIError) and error.explanation else str(error)
    return str(text).strip().splitlines()[0][:300] if str(text).strip() else type(error).__name__
