"""A tidy heap: threads get none of their own, and large pieces lie outside of it."""

import json
import os
import platform
import subprocess
import sys

import pytest

from skysift.serve.heap import ONE_HEAP, HeapTrimmer

HEAP = 64 << 20
"""Each heap but the first begins at a multiple of this (``HEAP_MAX_SIZE`` of malloc/arena.c)."""

TALLY = f"""
import ctypes, json, sys, threading
from skysift.serve.heap import tidy_heap

shared = tidy_heap() if sys.argv[1] == "share" else None
malloc = ctypes.CDLL(None).malloc
malloc.restype = ctypes.c_void_p
places = []
together = threading.Barrier(6)


def take():
    together.wait()  # all at once: a thread that finds a heap of one that has ended takes that
    places.append(malloc(1000))
    together.wait()


threads = [threading.Thread(target=take) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps([shared, len({{place // {HEAP} for place in places}})]))
"""


def tally(word: str, **given: str) -> list[object]:
    """Return what sharing said, and in how many parts of memory six threads were given theirs."""
    env = {name: value for name, value in os.environ.items() if name not in ONE_HEAP}
    command = [sys.executable, "-c", TALLY, word]
    done = subprocess.run(command, env={**env, **given}, check=True, capture_output=True)
    return json.loads(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="heaps as of the GNU C library")
def test_threads_tidy_heap_unless_the_environment_says_how_many():
    _, apart = tally("leave")
    assert apart > 2
    shared, together = tally("share")
    assert shared is True
    assert together <= 2  # the first heap may reach over a multiple of the size
    said, _ = tally("share", MALLOC_ARENA_MAX="4")
    assert said is False


LARGE = """
import ctypes, json, sys
from skysift.serve.heap import tidy_heap

if sys.argv[1] == "share":
    tidy_heap()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
size = 4 << 20
libc.free(libc.malloc(size))  # from here on the library would take such pieces from the heap
place = libc.malloc(size)
ends = [line.split()[0].split("-") for line in open("/proc/self/maps") if "[heap]" in line]
print(json.dumps(any(int(low, 16) <= place < int(high, 16) for low, high in ends)))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="heaps as of the GNU C library")
@pytest.mark.parametrize(("word", "inside"), [("leave", True), ("share", False)])
def test_large_pieces_lie_outside_of_the_heap(word, inside):
    env = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    command = [sys.executable, "-c", LARGE, word]
    done = subprocess.run(command, env=env, check=True, capture_output=True)
    assert json.loads(done.stdout) is inside


HOLES = """
import json, sys
from skysift.serve.heap import HeapTrimmer, tidy_heap


def resident():
    pages = int(open("/proc/self/statm").read().split()[1])
    return pages * 4096


tidy_heap()
trim = HeapTrimmer(every=float(sys.argv[1]))
pieces = [bytearray(4000) for _ in range(20_000)]
most = resident()
pieces = pieces[::50]  # what is kept holds all of the heap below it
trim()
print(json.dumps([most, resident()]))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="heaps as of the GNU C library")
@pytest.mark.parametrize(("every", "low", "high"), [("0", 0.0, 0.4), ("3600", 0.9, 1.1)])
def test_holes_are_given_back_when_it_is_time_to(every, low, high):
    env = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    command = [sys.executable, "-c", HOLES, every]
    done = subprocess.run(command, env=env, check=True, capture_output=True)
    most, left = json.loads(done.stdout)
    held = 20_000 * 4000
    assert low < (left - (most - held)) / held < high


def test_the_heap_is_trimmed_now_and_then():
    moments = iter([0.0, 59.0, 60.0, 61.0, 120.0])
    trim = HeapTrimmer(every=60.0, clock=lambda: next(moments))
    here = platform.libc_ver()[0] == "glibc"
    assert [trim() for _ in range(4)] == [False, here, False, here]
