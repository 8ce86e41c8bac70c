"""What fail2ban's own engine says of lines, each by itself. stdin: JSON [[NAME, {option: value}, [LINE, ...]], ...], the filters with a fixed clock.
stdout: JSON, for each line null, "slow", or [id, time, {capture: text}]."""
import json
import logging
import signal
import sys

sys.path.insert(0, "/usr/lib/python3/dist-packages")
from fail2ban.client.filterreader import FilterReader  # noqa: E402
from fail2ban.server.filter import Filter  # noqa: E402
from fail2ban.server.mytime import MyTime  # noqa: E402

logging.disable(logging.CRITICAL)
MyTime.setTime(1124013600)


def slow(*_):
    raise TimeoutError


signal.signal(signal.SIGALRM, slow)


def build(name, options):
    reader = FilterReader(name, "jail", options, share_config={}, basedir="/etc/fail2ban")
    reader.read()
    reader.getOptions(None)
    filter_ = Filter(None)
    filter_.returnRawHost = True
    filter_.checkFindTime = False
    datepattern = None
    commands = reader.convert()
    for command in sorted(commands, key=lambda c: c[2] != "maxlines"):
        key, values = command[2], command[3]
        if key == "maxlines":
            filter_.setMaxLines(values)
        elif key == "datepattern":
            datepattern = values
        elif key == "prefregex":
            filter_.prefRegex = values
    for command in commands:
        for value in command[3] if isinstance(command[3], list) else [command[3]]:
            if command[2] == "addfailregex":
                filter_.addFailRegex(value)
            elif command[2] == "addignoreregex":
                filter_.addIgnoreRegex(value)
    return filter_, datepattern


def verdict(filter_, datepattern, line):
    # Each line by itself: the date detector moves its templates about, and lines of one connection are joined.
    if datepattern is None:
        filter_.dateDetector = type(filter_.dateDetector)()
    else:
        filter_.setDatePattern(datepattern)
    filter_._Filter__lastDate = None
    filter_._Filter__mlfidCache = None
    filter_._Filter__lineBuffer = []
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        found = filter_.processLine(line)
    except TimeoutError:
        return "slow"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    found = [one for one in found if one[1] is not None and not one[3].get("nofail")]
    if not found:
        return None
    _, fid, time, fields = found[0]
    captures = {k: v for k, v in fields.items() if isinstance(v, str) and k not in ("mlfid", "ip")}
    return [str(fid), time, captures]


out = []
for name, options, lines in json.load(sys.stdin):
    filter_, datepattern = build(name, options)
    out.append([verdict(filter_, datepattern, line) for line in lines])
print(json.dumps(out))
