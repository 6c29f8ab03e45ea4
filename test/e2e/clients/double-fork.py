"""A client that starts its server by two forks, so that it isn't the server's parent.

usage: double-fork.py pipe|socket lives|dies COMMAND...   what the server's stdin is; when the command is started
"""

import os
import socket
import sys
import time

kind, fate, *command = sys.argv[1:]
client = os.getpid()
if kind == "pipe":
    theirs, ours = os.pipe()
else:
    theirs, ours = (end.detach() for end in socket.socketpair())


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


child = os.fork()
if child == 0:
    middle = os.getpid()
    if os.fork() > 0:
        os._exit(0)
    awaited = middle if fate == "lives" else client
    while is_alive(awaited):
        time.sleep(0.01)
    os.dup2(theirs, 0)
    os.execvp(command[0], command)
os.close(theirs)
os.waitpid(child, 0)
if fate == "lives":
    os.write(ours, b"hello\n")
    time.sleep(600)
