# A client that starts COUNT servers in a row and talks with each: by turns from its main thread, from a thread that ends
# at once, and from one that ends when the server has answered. Server `fast` ends with its stdin; `stay` doesn't, and all
# of them must answer again when a line of input comes.
# many-launches.py COUNT LAUNCHER…
import subprocess
import sys
import threading

count, *launcher = sys.argv[1:]
staying = []


def launch(server, number, answered):
    pipe = subprocess.PIPE
    child = subprocess.Popen([*launcher, server], stdin=pipe, stdout=pipe, text=True)
    started.append(child)
    if answered:
        ask(child, number)


def ask(child, number):
    child.stdin.write(f"{number}\n")
    child.stdin.flush()
    answer = child.stdout.readline()
    if answer != f"{number}\n":
        print(f"server {number} answered {answer!r}", flush=True)


for number in range(int(count)):
    server = "stay" if number % 50 < 3 else "fast"
    started = []
    if number % 3:
        thread = threading.Thread(target=launch, args=[server, number, number % 3 == 2])
        thread.start()
        thread.join()
    else:
        launch(server, number, False)
    child = started[0]
    if number % 3 != 2:
        ask(child, number)
    if server == "stay":
        staying.append(child)
        continue
    child.stdin.close()
    if child.wait() != 0:
        sys.exit(f"server {number} ended with {child.returncode}")

print("launched", flush=True)
sys.stdin.readline()
for child in staying:
    child.stdin.write("again\n")
    child.stdin.flush()
print(f"{[child.stdout.readline() for child in staying].count('again' + chr(10))} of {len(staying)} answer", flush=True)
sys.stdin.readline()
