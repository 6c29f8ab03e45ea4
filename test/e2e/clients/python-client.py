# A client in Python, as node-client.mjs; HOW is `main`, `thread` (one for each server, that ends at once) or `pool`.
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

how, *rest = sys.argv[1:]
at = rest.index("--")
launcher, servers = rest[:at], rest[at + 1 :]
children = []


def launch(server):
    children.append(subprocess.Popen([*launcher, server], stdin=subprocess.PIPE))


if how == "pool":
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(launch, servers))
for server in servers:
    if how == "thread":
        thread = threading.Thread(target=launch, args=[server])
        thread.start()
        thread.join()
    if how == "main":
        launch(server)

sys.stdin.readline()
kept = []
while True:
    kept.append(b"x" * (16 << 20))
