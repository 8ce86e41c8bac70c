"""Runs actions by fail2ban's own classes: what is to be compared with ours. argv[1]: a file with the request, argv[2]: where the answer goes."""
import ast, base64, json, os, shutil, subprocess, sys

from fail2ban.server import action as action_module
from fail2ban.server.action import CommandAction
from fail2ban.server.actions import Actions
from fail2ban.server.ipdns import DNSUtils
from fail2ban.server.mytime import MyTime
from fail2ban.server.ticket import BanTicket

DNSUtils.getHostname = staticmethod(lambda fqdn=True: "mx.example" if fqdn else "mx")
DNSUtils.ipToName = staticmethod(lambda ip: "host.example")
action_module.allowed_ipv6 = lambda: True


class FailManager:
    def size(self): return 3
    def getFailTotal(self): return 17


class Filter:
    failManager = FailManager()


class Jail:
    database = None
    filter = Filter()

    def __init__(self, name):
        self.name = name
        self.actions = Actions(self)
        self.actions.setBanTime(600)


def read_actions(directory):
    env = dict(os.environ, PATH=os.defpath + ":/usr/sbin:/sbin")
    dump = subprocess.run([client, "-d", "-c", directory], capture_output=True, text=True, env=env)
    found = {}
    for line in dump.stdout.splitlines():
        if not line.startswith("["): continue
        command = ast.literal_eval(line)
        if command[0] == "config-error": raise ValueError(command[1])
        if command[0] == "set" and command[2] == "addaction": found.setdefault(command[1], {})[command[3]] = {}
        if command[0] == "multi-set" and command[2] == "action":
            found[command[1]][command[3]].update(dict(command[4]))
        elif command[0] == "set" and command[2] == "action":
            found[command[1]][command[3]][command[4]] = command[5]
    return found


def reset():
    shutil.rmtree(scratch, ignore_errors=True)
    os.mkdir(scratch)
    open(record, "w").close()
    open(record + ".fail", "w").close()


def take():
    with open(record) as lines: calls = lines.read().splitlines()
    open(record, "w").close()
    files = {}
    for directory, _, names in os.walk(scratch):
        for name in names:
            path = os.path.join(directory, name)
            with open(path, errors="replace", newline="") as text: files[os.path.relpath(path, scratch)] = text.read()
    return {"lines": calls, "files": files}


def ticket_of(ban):
    ticket = BanTicket(ban["ip"], float(ban["time"]), list(ban["matches"]))
    ticket.setAttempt(ban["failures"])
    ticket.setBanTime(ban["bantime"])
    # It counts one more when it is made.
    ticket.setBanCount(ban["count"] - 1)
    ticket.restored = ban["restored"]
    for key, value in ban["fields"].items(): ticket.setData(key, value)
    return ticket


def act(actions, step):
    name = step["do"]
    if name == "start":
        for action in actions._actions.values():
            try: action.start()
            except RuntimeError: pass
    elif name == "fail":
        with open(record + ".fail", "w") as text: text.write(step["what"] + "\n")
    elif name == "stop":
        actions._Actions__flushBan(stop=True)
        actions.stopActions()
    elif name == "unban": actions.removeBannedIP(step["ban"]["ip"], db=False, ifexists=True)
    elif name == "prolong":
        ticket = next(each for each in actions.banManager if str(each.getID()) == step["ban"]["ip"])
        ticket.setBanTime(step["ban"]["bantime"])
        actions._prolongBan(ticket)
    else: actions._Actions__checkBan([ticket_of(step["ban"])])


def run(jail_name, properties, steps):
    reset()
    MyTime.setTime(steps[0]["at"])
    jail = Jail(jail_name)
    for name, options in properties.items():
        jail.actions.add(name)
        for key, value in options.items(): setattr(jail.actions[name], key, value)
    answers = []
    for step in steps:
        MyTime.setTime(step["at"])
        act(jail.actions, step)
        answers.append(take())
    return answers


with open(sys.argv[1]) as text: request = json.load(text)
record, scratch, client = request["record"], request["scratch"], request["client"]
actions = read_actions(request["dir"])
with open(sys.argv[2], "w") as answer:
    json.dump({name: run(name, actions.get(name, {}), steps) for name, steps in request["jails"].items()}, answer)
