"""Everything that touches the outside: the vocabulary, codecs, sources, ingest, the store and the ERP relay."""
