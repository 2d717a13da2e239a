"""Where the scores of tests come from."""

from typing import Final

from heliscore.domain.author import Author, Origin

JUDGE: Final = Author("judge", "relevance-judge", "1")
ORIGIN: Final = Origin(JUDGE, "score")
