"""Characters come in: files, documents, vocabularies and corpora."""
