"""Searches with Python's re. stdin: JSON [[PATTERN, MULTILINE, [TEXT, ...]], ...]; stdout: JSON, for each pattern its error as text, or per text null or [start, end, {group: text}]."""
import json
import re
import sys
import warnings

warnings.simplefilter("ignore")


def search(pattern, multiline, texts):
    try:
        compiled = re.compile(pattern, re.MULTILINE if multiline else 0)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)
    found = [compiled.search(text) for text in texts]
    return [hit and [hit.start(), hit.end(), {k: v for k, v in hit.groupdict().items() if v is not None}] for hit in found]


print(json.dumps([search(*case) for case in json.load(sys.stdin)]))
