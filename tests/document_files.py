"""Documents, and files of every format that hold them."""

from __future__ import annotations

import csv
import io
import json

SEPARATORS = "a\x85b\u2028c\u2029d\ve\ff\x1cg\x00h"  # where str.splitlines would split, or C end
DOCUMENTS = ["caf\u00e9 \U0001f600\u200d\U0001f525", SEPARATORS, " x ", '#tag, "quoted" it\'s\\']


def as_csv(rows: list[list[str]], **options: str) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, **options).writerows(rows)
    return file.getvalue()


def stored(documents: list[str]) -> dict[str, str]:
    """The documents as a file of each format that has one, by a name that tells the format."""
    objects = [{"id": i, "text": document} for i, document in enumerate(documents)]
    rows = [["id", "text"], *([str(i), document] for i, document in enumerate(documents))]
    return {
        "objects.json": json.dumps(objects, indent=1),
        "strings.json": json.dumps(documents, ensure_ascii=False),
        "objects.jsonl": "\n".join(map(json.dumps, objects)),
        "strings.NDJSON": "".join(json.dumps(document, ensure_ascii=False) + "\r\n" for document in documents),
        "table.csv": as_csv(rows),
        "table.tsv": "".join("\t".join(row) + "\n" for row in rows),  # no quotes: a field is what stands between tabs
        "lines.txt": "\n".join(documents),
    }


NAMES = list(stored([]))
