"""Problems that routes declare in their OpenAPI, with examples.

An example is an error of the tree, rendered like real ones, so its status, type, title and headers
are correct.
"""

from typing import Any

from shared.core import problem
from shared.core.errors import (
    BadImage,
    BadVector,
    Behind,
    CatalogueAway,
    Conflict,
    Corrupt,
    FingerprintMismatch,
    Forbidden,
    ForeignHost,
    ForeignPage,
    InvalidInput,
    ISEError,
    NotFound,
    Overloaded,
    ShareUsed,
    SlowBody,
    StorageFull,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnknownTerm,
)
from shared.models.canary import drifted
from shared.web.auth import NO_KEY_SENT
from shared.web.body import TOO_SLOW as TOO_SLOW_TO_READ
from shared.web.conditional import outside_range
from shared.web.hosts import FOREIGN_HOST
from shared.web.keys import Scope
from shared.web.origin import FOREIGN_PAGE
from shared.web.rate_limit import limited
from shared.web.scoped import lacking

Responses = dict[int | str, dict[str, Any]]
SCHEMA = "#/components/schemas/Problem"

IMAGE = "d0ed203b490efa13b89928e082c3728f"
UPLOAD = "Zk3vX0m1S5b9tQe7cPz2LrJw8uHfNd4a"
UNDO = "b0b2a2f3c1c94b2f9a3c5d6e7f809a1b"
JOB = "32ecbc1412174aec91d90d77d2665e5b"
SNAPSHOT = 7
MODEL = _MODEL = "mini-bd7a04c10886955e"
_OTHER_MODEL = "resnet50-1c0e6a9be1d5fa26"
_EXTERNAL = "external:clip-vit-b32-512"
_NETWORK = "match-8dc9c57327bb6d9f"
_TRAIN = "Train one for the present models: `ise train-matching`."

NO_KEY = Unauthorized(NO_KEY_SENT)
LACKS_READ, LACKS_WRITE = lacking(Scope.READ), lacking(Scope.WRITE)
TOO_OFTEN = limited(50, 1)

OTHER_SITE = ForeignPage(FOREIGN_PAGE)
OTHER_HOST = ForeignHost(FOREIGN_HOST)
OUTSIDE_ROOTS = Forbidden(
    "/home/me/Pictures is not in an allowed folder. Add its folder to ISE_INGEST_ROOTS."
)

FETCHING_OFF = Forbidden(
    "Fetching by `image_url` is off: name the allowed hosts in "
    "ISE_FETCH_HOSTS, or send the picture itself as `image`."
)

NO_IMAGE = NotFound(f"There is no image {IMAGE!r}.")
NO_UPLOAD = NotFound(
    "The picture of this search has expired. Choose the picture again.",
    upload=UPLOAD,
)
OUTSIDE_RANGE = outside_range(48_213)
NO_JOB = NotFound(f"There is no job {JOB!r}.")
NO_FOLDER = NotFound("There is no such folder.")
NO_TAG = NotFound("No image has the tag 'grand_piano'.")
NOT_TRASHED = NotFound(f"There is no image {IMAGE!r} in the trash.")
NOTHING_TO_UNDO = NotFound(
    "There is nothing to undo: it was undone already, or is older than a day."
)
NO_SNAPSHOT = NotFound(f"There is no snapshot {SNAPSHOT}.")
NO_NETWORK = NotFound(f"There is no matching network {_NETWORK}. {_TRAIN}")
NO_LABELS = NotFound(f"No classifier with named classes is hosted for {_MODEL}.")
UNLABELLED = Conflict(
    "The collection has no labels. `ise label` computes them where the model has a classifier with "
    "named classes, as that of ISE_PROFILE=lite has."
)
NO_TRAINING_SET = NotFound("There is no training set 32ecbc141217.")

OTHER_MODEL = FingerprintMismatch(
    f"The index holds features of {_MODEL}, but the embedder hosts "
    f"{_OTHER_MODEL}: they can't be compared. Start the embedder with the "
    "former model, or rebuild the index with `ise build`.",
    index=_MODEL,
    embedder=_OTHER_MODEL,
)
DRIFTED = drifted(_MODEL, 0.005)
OTHER_FEATURES = FingerprintMismatch(
    f"The features are of {_MODEL}; hosted for matching is {_OTHER_MODEL}. Host that model again, "
    "or compute the features again: `ise ingest`.",
    features=_MODEL,
    hosted=_OTHER_MODEL,
)
OTHER_NETWORK = FingerprintMismatch(
    f"The matching network {_NETWORK} was trained on the image features of {_MODEL}; hosted is "
    f"{_OTHER_MODEL}. {_TRAIN}",
    network=_MODEL,
    hosted=_OTHER_MODEL,
)
EXTERNAL_VECTORS = FingerprintMismatch(
    f"The collection holds vectors of {_EXTERNAL}, which can't be compared with those of {_MODEL}. "
    "Keep pictures in a collection of their own (another ISE_DATA_DIR), or import their vectors "
    "too.",
    index=_EXTERNAL,
    embedder=_MODEL,
)
NOT_MOVED = Conflict(
    "ISE_ENGINE is local, so the next build would bring the collection back "
    "from milvus. Set ISE_ENGINE=milvus for the indexer and the query "
    "service, restart both, then migrate."
)
OTHER_VECTORS = FingerprintMismatch(
    f"The collection holds vectors of {_MODEL}, and those of {_EXTERNAL} can't be compared with "
    "them. Keep them in a collection of their own (another ISE_DATA_DIR), or delete what is there.",
    index=_MODEL,
    new=_EXTERNAL,
)
OTHER_VECTOR = Conflict(
    "The vector of 'photos/7' differs from the stored one. Delete the image to replace it."
)
VECTORS_ONLY = Conflict(
    f"This collection's vectors are {_EXTERNAL}, which no embedder here makes, so a picture can't "
    "be compared with them. Search by `vector` or by `id`."
)
NO_JOINT_SPACE = Conflict(
    "Searching by pictures and words together needs a matching network: tag "
    "some images, then run `ise build`, which trains one."
)
UNCALIBRATED = Conflict(
    "`min_probability` needs probabilities, and none are calibrated for "
    "cosine here. Calibration needs tags: tag images, then run `ise build`."
)
NOTHING_TO_EXPORT = Conflict("There are no images of the visual space to export.")
UNTRAINED = Conflict(f"There is no matching network yet. {_TRAIN}")

NO_CELLS = Conflict(
    "This network doesn't pool a map of cells, so its similarities can't be split over a picture. "
    "Networks that can: mini, resnet50, torchvision/mobilenet_v2 and others that end in an average "
    "pool."
)

JOB_ENDED = Conflict(f"Job {JOB} has already ended: succeeded.")
JOB_NOT_UNDONE = Conflict(
    f"Job {JOB} can't be undone: it added and changed no picture, it was undone already, or it is "
    "too old. Pictures that a sync deleted don't come back by an undo."
)
UNDO_OF_JOB = Conflict(f"{JOB} is a job: undo it by POST /v1/jobs/{JOB}/undo.")
EMPTY_SNAPSHOT = Conflict(f"Snapshot {SNAPSHOT} is empty; you can't roll back to it.")

OTHER_SNAPSHOT = Conflict(
    "The collection changed since the previous page. Request the first page "
    "again, without `cursor`."
)
OTHER_PLAN = Conflict("The collection changed since this plan was made. Request it again.")
NO_SUGGESTIONS = Conflict(
    "A suggestion needs probabilities, and none are calibrated for cosine "
    "here. Calibration needs tags: tag images, then run `ise build`."
)
NO_MEMORY = Overloaded(
    "Other calls use all of 512 MiB that calls may use together (ISE_MEMORY); try again in a "
    "second.",
    retry_after=1,
)
SHARE_USED = ShareUsed(
    "16 searches of yours are in hand, and others wait: try again in a second.", retry_after=1
)
TOO_SLOW_BODY = SlowBody(TOO_SLOW_TO_READ)
BODY_TOO_LARGE = TooLarge("The body is over the limit of 536870912 bytes (ISE_MAX_BODY_BYTES).")
FILE_TOO_LARGE = TooLarge("The file is over the limit of 64 MiB.")
TOO_MANY_SEARCHES = TooLarge("At most 100 searches a call (ISE_MAX_SEARCHES).")
TOO_MANY_FILES = TooLarge("At most 1000 files a call.")


def _invalid(field: str, message: str) -> InvalidInput:
    return InvalidInput(f"{field}: {message}", errors=[{"field": field, "message": message}])


UNKNOWN_FIELD = _invalid("body.colour", "Extra inputs are not permitted")
BAD_PARAMETER = _invalid("query.limit", "Input should be greater than or equal to 1")
BAD_NUMBER = _invalid("path.number", "Input should be a valid integer")
BAD_IMAGE = BadImage("The file is no picture of a format that can be read.")
BAD_IMAGES = BadImage(
    "1 of 2 files can't be used; file 1: The file is empty.",
    items=[{"index": 1, "error": "The file is empty."}],
)
BAD_VECTOR = BadVector(f"The vector has 3 numbers; vectors of {_MODEL} have 256.")
ZERO_VECTOR = BadVector("The vector of 'photos/7' is zero, so it has no direction to compare.")
BAD_NPY = InvalidInput("clip.npy can't be used: it is not a .npy file.")
BAD_ROWS = BadVector(
    "10 bytes are no whole number of rows of 256 float32 values (1024 bytes each)."
)
UNKNOWN_TERM = UnknownTerm(
    "No word vector is known for 'casstle'. Did you mean castle?",
    terms=["casstle"],
    suggestions=["castle"],
)

BUSY = Overloaded("256 images are in hand already; try again in a second.", retry_after=1)
BEHIND = Behind("Version 12.3 hasn't arrived here yet; version 12.2 is served.", retry_after=1)
SEARCHES = Overloaded("32 searches are in hand already; try again in a second.", retry_after=1)
FILES = Overloaded("64 files are in hand already; try again in a second.", retry_after=1)
ARCHIVES = Overloaded("8 archives are being downloaded already; try again later.", retry_after=10)
TRAINING = Overloaded("A training is already running; only one can run at a time.", retry_after=10)

UNEXPECTED = ISEError(
    "Something went wrong on the server; its log has the cause under this request_id."
)
DAMAGED = Corrupt("visual-0f3a.hdf5 is damaged: it doesn't match the manifest of its snapshot.")

STARTING = Unavailable("The service is starting.", retry_after=2)
NO_PROFILE = InvalidInput("huge is not a profile; use one of classic, lite, mini.")
BROKEN_PROFILE = Conflict(
    "The models of the profile classic can't be loaded: the hub doesn't answer."
)
LOADING = Unavailable("The models are being loaded.", retry_after=2)
TOO_SLOW = Unavailable(
    "64 images took over 240 seconds (ISE_EMBED_SECONDS); send fewer at a time.", retry_after=5
)
NO_EMBEDDER = Unavailable(
    "Nothing answers at http://127.0.0.1:8002 (Connection refused). Start "
    "the services with `ise up`.",
    retry_after=5,
)
NO_INDEXER = Unavailable(
    "Nothing answers at http://127.0.0.1:8001 (Connection refused). Start "
    "the services with `ise up`.",
    retry_after=5,
)
SOURCE_AWAY = Unavailable(
    "s3://pictures doesn't answer (EndpointConnectionError). Try again later.",
    retry_after=5,
)
NO_CATALOGUE = CatalogueAway(
    "The database postgresql+psycopg://ise:***@postgres/ise can't be reached: connection timeout "
    "expired. Is it up? ISE_DATABASE_URL names it.",
    retry_after=5,
)
DISK_FULL = StorageFull("The disk is full. Nothing was lost; free some space, then try again.")


def problems(*examples: ISEError) -> Responses:
    """The `responses` of a route that may answer with errors such as these."""
    found: Responses = {}
    for error in examples:
        add(found, error)
    return found


def add(responses: Responses, error: ISEError) -> None:
    """Adds an error to the responses, under its status; a status may have several examples."""
    body = problem.body_of(error)
    response = responses.setdefault(
        str(body["status"]),
        {"content": {problem.MEDIA_TYPE: {"schema": {"$ref": SCHEMA}, "examples": {}}}},
    )
    examples = response["content"][problem.MEDIA_TYPE]["examples"]
    same = sum(example["value"]["type"] == body["type"] for example in examples.values())
    examples[f"{error.slug}-{same + 1}" if same else error.slug] = {"value": body}
    titles = (example["value"]["title"] for example in examples.values())
    response["description"] = "; ".join(dict.fromkeys(titles))
    for name, value in problem.headers_of(error).items():
        header = {"schema": {"type": "string"}, "example": value}
        response.setdefault("headers", {})[name] = header
