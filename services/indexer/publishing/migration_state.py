"""State of a migration, in a file, so that the next process resumes it."""

from pathlib import Path

from pydantic import ConfigDict, Field, ValidationError

from shared.contracts.base import Wire
from shared.contracts.migration import MigrationReport
from shared.core.engine import Engine
from shared.core.errors import Corrupt
from shared.files import durable
from shared.snapshots.manifest import Manifest, SpaceManifest

SPACES = ("visual", "joint")


class MigrationState(Wire):
    """A migration under way; the job changes it as it goes on.

    base: the snapshot that is moved; what came later is added at the end. begun: the names of what
    vectors go to in the engine, by space. copied: how many vectors of a space were. done: the
    spaces that are ready to be searched. report: how they compare with those they were made from.
    """

    model_config = ConfigDict(frozen=False)

    to: Engine
    base: Manifest
    begun: dict[str, str] = Field(default_factory=dict)
    copied: dict[str, int] = Field(default_factory=dict)
    done: dict[str, SpaceManifest] = Field(default_factory=dict)
    report: MigrationReport | None = None

    def files(self) -> list[str]:
        """The names of the segments that it is made of and from."""
        spaces = [file for space in self.done.values() for file in space.files()]
        return [file.name for file in (*self.base.files(), *spaces)]


class MigrationStore:
    """The one migration of a data directory, in `migration/`."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "migration"
        self._path = self.folder / "move.json"

    def load(self) -> MigrationState | None:
        """Raises Corrupt."""
        try:
            return MigrationState.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise Corrupt(
                f"{self._path} is damaged. Remove it, then run `ise migrate` again."
            ) from error

    def save(self, move: MigrationState) -> None:
        durable.write_bytes(self._path, move.model_dump_json(indent=1).encode(), "migration")

    def end(self) -> None:
        """Forgets the migration, and the vectors that were copied for it."""
        self._path.unlink(missing_ok=True)
        for name in SPACES:
            self.table(name).unlink(missing_ok=True)

    def table(self, name: str) -> Path:
        """Return the path of the file that a space's copy may use."""
        return self.folder / f"{name}.npy"

    def still_of(self, current: Manifest) -> MigrationState | None:
        """The migration, unless what it moves is no longer what is searched: then it's ended."""
        move = self.load()
        if move is not None and not is_same(move.base, current):
            self.end()
            return None
        return move


def is_same(one: Manifest, other: Manifest) -> bool:
    """Return whether two snapshots have the same models, transform and clusters."""
    return _made_of(one) == _made_of(other)


def _made_of(manifest: Manifest) -> list[object]:
    made: list[object] = [manifest.matching_fingerprint]
    for space in (manifest.visual, manifest.joint):
        if space is None:
            made.append(None)
            continue
        learned = space.transform and (
            space.transform.name,
            space.transform.features_dim,
            space.transform.file and space.transform.file.sha256,
        )
        made.append((space.fingerprint, space.dim, space.metric, space.clusters, learned))
    return made
