"""Workers as their tables, for tests of what they share."""

from sqlalchemy import update

from services.indexer.catalog.database import Database
from services.indexer.catalog.images import Images
from services.indexer.catalog.job_chunks import PartTable
from services.indexer.catalog.jobs import JobTable
from services.indexer.catalog.schema import jobs, parts
from services.indexer.catalog.worker import Worker


class Member:
    """A worker with its tables, on a connection of its own."""

    def __init__(self, url: str, lease_s: float) -> None:
        self.database = Database(url)
        self.worker = Worker(self.database, lease_s)
        self.jobs = JobTable(self.database, self.worker)
        self.parts = PartTable(self.database, self.worker)
        self.images = Images(self.database)

    def expire(self) -> None:
        """As if its leases had not been renewed in time."""
        with self.database.note() as db:
            for table in (jobs, parts):
                mine = table.c.worker == self.worker.name
                db.execute(update(table).where(mine).values(leased_until=0))
