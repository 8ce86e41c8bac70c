"""Resolves filters with fail2ban's own reader, from the installed package. stdin: JSON [[NAME, {option: value}], ...]; stdout: JSON, one object each."""
import json
import logging
import sys

sys.path.insert(0, "/usr/lib/python3/dist-packages")
from fail2ban.client.filterreader import FilterReader  # noqa: E402

logging.disable(logging.CRITICAL)


def resolve(name, options):
    reader = FilterReader(name, "jail", options, share_config={}, basedir="/etc/fail2ban")
    reader.read()
    reader.getOptions(None)
    out = {"failregex": [], "ignoreregex": [], "prefregex": None, "datepattern": [], "maxlines": 1}
    for command in reader.convert():
        key, values = command[2], command[3]
        if not isinstance(values, list):
            values = [values]
        if key in ("addfailregex", "addignoreregex"):
            out[key[3:]] += values
        elif key == "prefregex":
            out[key] = values[0]
        elif key == "datepattern":
            out[key] += [line.strip() for line in values[0].split("\n") if line.strip()]
        elif key == "maxlines":
            out[key] = int(values[0])
    return out


print(json.dumps([resolve(name, options) for name, options in json.load(sys.stdin)]))
