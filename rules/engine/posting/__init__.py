"""Postings: counted pieces, gathered until there are enough of them or they have waited long enough, become events of business systems."""

from rules.engine.posting.book import PostingBook

__all__ = ["PostingBook"]
