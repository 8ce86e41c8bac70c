"""Finds dates with fail2ban's own detector, each line by itself, at a fixed time. stdin: JSON [[[PATTERN, ...], ZONE, [LINE, ...]], ...];
stdout: JSON, for each the error as text, or per line null, "crash" or [start, end, seconds]."""
import json
import logging
import sys

sys.path.insert(0, "/usr/lib/python3/dist-packages")
from fail2ban.server.datedetector import DateDetector  # noqa: E402
from fail2ban.server.mytime import MyTime  # noqa: E402

logging.disable(logging.CRITICAL)
MyTime.setTime(1124013600)


def detector(patterns, zone):
    made = DateDetector()
    made.default_tz = zone
    for pattern in patterns:
        made.appendTemplate(pattern)
    for template in made.templates:
        template.template._compileRegex()
    return made


def date(patterns, zone, line):
    made = detector(patterns, zone)
    try:
        match, template = made.matchTime(line)
    except IndexError:  # an empty match at the end of a line
        return "crash"
    if match is None:
        return None
    start, end = match.span(1)
    try:
        found = made.getTime(line[start:end], (match, template)) if start < end else None
    except Exception:  # such a line makes fail2ban log an error and go on
        found = None
    return [start, end, found and found[0]]


def dates(patterns, zone, lines):
    try:
        detector(patterns, zone)
    except Exception as error:
        return str(error)
    return [date(patterns, zone, line) for line in lines]


print(json.dumps([dates(*case) for case in json.load(sys.stdin)]))
