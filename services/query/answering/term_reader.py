"""From a term as it was typed to the tag that it stands for."""

from collections.abc import Iterator, Mapping, Sequence

import anyio.to_thread

from services.query.embedders import Embedders
from services.query.search.searcher import Searcher
from services.query.search.tags import Tag, Tags
from shared.clients import embedder
from shared.contracts.embedder import TermSpace
from shared.contracts.query import Part, SearchOptions
from shared.core.errors import ISEError, UnknownTerm
from shared.models.external import is_external
from shared.snapshots.items import tag_key
from shared.terms.normal_form import words_of
from shared.terms.number import other_numbers

# Singular and plural forms that are also tried with a misspelling; the first are the likeliest.
_FORMS = 4
# Shorter words and these occur in many folder names and say nothing about the contents.
_SHORTEST_WORD = 3
_FILLERS = frozenset(
    [
        *["and", "for", "from", "her", "his", "its", "new", "not", "old", "our", "the"],
        *["their", "this", "that", "with", "your"],
    ]
)


class TermReader:
    """Reads a term that no tag equals as the tag that it stands for.

    Tried in this order: singular or plural, a near spelling, a word that one tag alone holds.
    """

    def __init__(self, embedders: Embedders) -> None:
        self._embedders = embedders

    async def read(self, searcher: Searcher, term: str, exact: bool = False) -> str | None:
        """Return the tag to search instead of a term, or None to search it as written.

        A word that word2vec or a classifier knows is not a misspelling, so it is searched by its
        meaning. exact: only as written. Raises Unavailable if such a tag exists and no embedder can
        tell whether the term is a word.
        """
        key = tag_key(term)
        if exact or searcher.is_carried(term):
            return None
        tags = await anyio.to_thread.run_sync(searcher.tags)
        found = await anyio.to_thread.run_sync(_in_other_number, tags, key)
        if found is None:
            found = await anyio.to_thread.run_sync(_nearest, tags, key)
            if found is None:
                found = await anyio.to_thread.run_sync(_only_holding, tags, key)
            if found is not None and await self._is_known(searcher, term):
                return None
        return None if found is None else found.name

    async def _is_known(self, searcher: Searcher, term: str) -> bool:
        """Tell whether every word of a term has a word vector, or names classes of a classifier."""
        collection = searcher.collection
        if collection.visual is not None and is_external(collection.visual.fingerprint):
            # In a collection of imported vectors, no word can be searched by meaning.
            return False
        try:
            await self._embedders.send(embedder.embed_terms(words_of(term), TermSpace.WORD))
        except UnknownTerm as error:
            return error.extra.get("named") is True
        except ISEError:
            if collection.joint is not None:
                raise
            return False
        return True


async def corrected_terms(
    reader: TermReader, searcher: Searcher, terms: Sequence[str], options: SearchOptions
) -> dict[str, str]:
    """Return the tags that terms are read as, of those not read as written."""
    tags = {
        term: await reader.read(searcher, term, options.exact_term) for term in dict.fromkeys(terms)
    }
    return {term: tag for term, tag in tags.items() if tag is not None}


def read_as(parts: Sequence[Part], corrected: Mapping[str, str]) -> list[Part]:
    """Return the parts with their terms as they are read."""
    return [
        part
        if part.term is None or (tag := corrected.get(part.term.strip())) is None
        else part.model_copy(update={"term": tag})
        for part in parts
    ]


def _in_other_number(tags: Tags, key: str) -> Tag | None:
    """Return the tag that is a term in the other number, or without its accents."""
    return tags.first_of([key, *_numbers(key)])


def _only_holding(tags: Tags, key: str) -> Tag | None:
    """Return the tag with a term among its words, in either number, where there is just one."""
    words = [word for word in key.split(" ") if len(word) >= _SHORTEST_WORD]
    if not set(words) - _FILLERS:
        return None
    return tags.only_holding([key, *_numbers(key)])


def _nearest(tags: Tags, key: str) -> Tag | None:
    """Return the tag that a term, or its other number, is a misspelling of."""
    forms = [form for form, _ in zip(_numbers(key), range(_FORMS), strict=False)]
    return tags.nearest([key, *forms])


def _numbers(key: str) -> Iterator[str]:
    """Give a term with one of its words in the other number, the last word first."""
    words = key.split(" ")
    for at in reversed(range(len(words))):
        for form in other_numbers(words[at]):
            yield " ".join([*words[:at], form, *words[at + 1 :]])
