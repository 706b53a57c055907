"""Archives of code and of models, unpacked safely; code once per content, and then copied into each attempt."""

from __future__ import annotations

import os

from pegbox.agent.codec import dump
from pegbox.agent.durable import read_object, remove_tree, write_all, write_whole
from pegbox.agent.layout import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    import tarfile
    from collections.abc import Callable, Iterator
    from typing import Any

#: What a code archive may unpack to.
MAX_ENTRIES = 100_000
MAX_BYTES = 4 << 30
#: Headers that a tar archive puts before an entry (long names and the like) are no longer than this.
MAX_HEADER = 1 << 20
#: Files larger than this are not searched for a mention of /opt/ml.
_SEARCHED = 4 << 20

#: Content hash by (path, inode, size, modification time), so that a warm agent hashes an archive once.
_hashes: dict[tuple[str, int, int, int], str] = {}


class Limits:
    """What an archive may unpack to.

    Args:
        what: The archive as messages name it.
        entries: Most entries.
        size: Most bytes.
        ratio: Most bytes for each byte of the archive, beyond ``free`` bytes: a bomb is told by it.
        free: Bytes that are allowed at any ratio.
        remedy: What the user can do when it is too large.
    """

    def __init__(
        self, what: str, entries: int, size: int, *, ratio: int = 0, free: int = 0, remedy: str
    ) -> None:
        self.what = what
        self.entries = entries
        self.size = size
        self.ratio = ratio
        self.free = free
        self.remedy = remedy

    def allowed(self, archive: str) -> int:
        """Return how many bytes this archive may unpack to."""
        if not self.ratio:
            return self.size
        return min(self.size, max(self.free, self.ratio * os.stat(archive).st_size))


CODE = Limits("code archive", MAX_ENTRIES, MAX_BYTES, remedy="data belongs into a channel")
#: A real model seldom shrinks to a tenth; gzip can shrink zeros to a thousandth.
MODEL = Limits(
    "model archive",
    MAX_ENTRIES,
    256 << 30,
    ratio=200,
    free=1 << 30,
    remedy="pack the model again without what serving does not need",
)


def content_hash(path: str) -> str:
    """Return the SHA-256 of a file in hex."""
    facts = os.stat(path)
    key = (path, facts.st_ino, facts.st_size, facts.st_mtime_ns)
    if key not in _hashes:
        digest = new_sha256()
        with open(path, "rb", buffering=0) as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        _hashes[key] = digest.hexdigest()
    return _hashes[key]


def _find_sha256() -> Any:
    """Return the interpreter's own SHA-256, because ``hashlib`` loads OpenSSL first."""
    try:
        from _sha2 import sha256  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        try:
            from _sha256 import sha256  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            from hashlib import sha256
    return sha256


#: Makes a new SHA-256 object.
new_sha256 = _find_sha256()


def unpacked(archive: str, cache: str, tick: Callable[[], object]) -> tuple[str, dict[str, Any]]:
    """Return the folder where an archive's content lies unpacked, and facts about it.

    Facts: ``sha256`` of the archive and ``opt_ml``, whether a file in it mentions ``/opt/ml``.

    Raises:
        Refusal: The archive is missing, damaged, or holds what must not be unpacked.
    """
    try:
        digest = content_hash(archive)
    except OSError as error:
        raise Refusal("ClientError", f"the code archive {archive} cannot be read: {error.strerror}") from None
    home = os.path.join(cache, "code", digest)
    facts = read_object(f"{home}/facts.json")
    if facts is None:
        facts = _unpack(archive, digest, home, tick)
    return f"{home}/tree", facts


def _unpack(archive: str, digest: str, home: str, tick: Callable[[], object]) -> dict[str, Any]:
    part = f"{home}.{os.getpid()}.part"
    remove_tree(part)
    os.makedirs(f"{part}/tree", 0o700)
    try:
        extract(archive, f"{part}/tree", tick)
        facts = {"sha256": digest, "opt_ml": mentions_opt_ml(f"{part}/tree")}
        write_whole(f"{part}/facts.json", dump(facts).encode())
        try:
            os.rename(part, home)
        except OSError:
            if read_object(f"{home}/facts.json") is None:
                remove_tree(home)
                os.rename(part, home)
    finally:
        remove_tree(part)
    return facts


def mentions_opt_ml(tree: str) -> bool:
    """Whether a file under a folder has ``/opt/ml`` in its text."""
    for path, is_folder in _walk(tree):
        if not is_folder and os.path.isfile(path) and os.path.getsize(path) <= _SEARCHED:
            with open(path, "rb", buffering=0) as stream:
                if b"/opt/ml" in stream.read():
                    return True
    return False


def extract(archive: str, target: str, tick: Callable[[], object], limits: Limits = CODE) -> None:
    """Unpack a tar archive (gzip or plain) into an empty folder.

    Refused: absolute names and names that climb out, links that point out, devices, pipes, and more than the limits allow.

    Raises:
        Refusal: The archive is damaged or holds one of these.
    """
    import tarfile
    import zlib

    try:
        _Extraction(archive, target, tick, limits).run()
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, OverflowError) as error:
        if getattr(error, "errno", None) == 28:
            raise Refusal(
                "InternalServerError", f"no space left on the disk to unpack the {limits.what}"
            ) from None
        raise Refusal("ClientError", f"the {limits.what} {archive} cannot be unpacked: {error}") from None


class _Extraction:
    """One archive on its way into a folder."""

    def __init__(self, archive: str, target: str, tick: Callable[[], object], limits: Limits) -> None:
        self._archive = archive
        self._target = target
        self._tick = tick
        self._limits = limits
        self._allowed = limits.allowed(archive)

    def run(self) -> None:
        import tarfile

        class Member(tarfile.TarInfo):
            """A header, looked at before what it announces is read into memory."""

            @classmethod
            def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Any:
                member = super().frombuf(buf, encoding, errors)
                if member.type in b"xgXLKN" and member.size > MAX_HEADER:
                    raise tarfile.ReadError(f"a header of {member.size} bytes")
                return member

        with tarfile.open(self._archive, "r:*", tarinfo=Member) as tar:
            total = 0
            links: list[tarfile.TarInfo] = []
            for count, member in enumerate(tar):
                total += max(0, member.size)
                if count >= self._limits.entries or total > self._allowed:
                    raise self._refused(
                        f"unpacks to more than {self._limits.entries} entries or {self._allowed} bytes; "
                        f"{self._limits.remedy}"
                    )
                path = self._safe_path(member.name)
                if member.issym() or member.islnk():
                    links.append(member)
                else:
                    self._extract_one(tar, member, path)
                self._tick()
            # Links come last, so that nothing is ever written through one.
            for member in links:
                self._extract_link(member)
            self._check_links(links)

    def _refused(self, why: str) -> Refusal:
        return Refusal("ClientError", f"the {self._limits.what} {why}")

    def _safe_path(self, name: str) -> str:
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/") or ".." in parts or "\0" in name:
            raise self._refused(f"holds '{name}', which lies outside of it")
        return os.path.join(self._target, *parts)

    def _extract_one(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
        if member.isdir():
            os.makedirs(path, 0o700, exist_ok=True)
        elif member.isreg():
            os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
            source = tar.extractfile(member)
            if source is None:
                raise self._refused(f"holds '{member.name}', which has no content")
            mode = 0o700 if member.mode & 0o111 else 0o600
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
            try:
                while block := source.read(1 << 20):
                    write_all(descriptor, block)
                    self._tick()
            finally:
                os.close(descriptor)
        else:
            raise self._refused(f"holds '{member.name}', which is a device or a pipe")

    def _extract_link(self, member: tarfile.TarInfo) -> None:
        path = self._safe_path(member.name)
        start = self._target if member.islnk() else os.path.dirname(path)
        goal = os.path.join(start, member.linkname)
        if (
            member.linkname.startswith("/")
            or not self._is_inside(os.path.normpath(goal))
            or not self._is_inside(goal)
            or not self._is_inside(os.path.dirname(path))
        ):
            raise self._leads_out(member)
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        if member.islnk():
            copy_file(goal, path)
        else:
            os.symlink(member.linkname, path)

    def _check_links(self, links: list[tarfile.TarInfo]) -> None:
        """Look again: where a link leads may depend on a link that came after it."""
        for member in links:
            if not self._is_inside(self._safe_path(member.name)):
                raise self._leads_out(member)

    def _is_inside(self, path: str) -> bool:
        root = os.path.realpath(self._target)
        real = os.path.realpath(path)
        return real == root or real.startswith(root + "/")

    def _leads_out(self, member: tarfile.TarInfo) -> Refusal:
        return self._refused(f"holds '{member.name}', which links to '{member.linkname}', outside of it")


def copy_tree(source: str, target: str, tick: Callable[[], object]) -> None:
    """Copy a folder's content into a folder that exists; links stay links."""
    for path, is_folder in _walk(source):
        place = target + path[len(source) :]
        if os.path.islink(path):
            os.symlink(os.readlink(path), place)
        elif is_folder:
            os.mkdir(place, 0o700)
        else:
            copy_file(path, place)
        tick()


def copy_file(source: str, target: str) -> None:
    """Copy a file's bytes and mode."""
    reader = os.open(source, os.O_RDONLY)
    try:
        facts = os.fstat(reader)
        writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, facts.st_mode & 0o777)
        try:
            while os.sendfile(writer, reader, None, 1 << 24):
                pass
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _walk(folder: str) -> Iterator[tuple[str, bool]]:
    """Yield the paths under a folder, parents first, links not followed."""
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        is_folder = entry.is_dir(follow_symlinks=False)
        yield entry.path, is_folder
        if is_folder:
            yield from _walk(entry.path)
