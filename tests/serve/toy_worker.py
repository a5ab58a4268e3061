"""A worker whose records say what is to happen: ``{"value": 3}``, ``{"do": "crash"}``."""

import json
import os
import sys
import time
from pathlib import Path

import pyarrow as pa

from skysift.core.errors import ReadError
from skysift.serve.messages import WorkerSettings
from skysift.serve.worker import main


def answer(path: Path):
    record = json.loads(path.read_bytes())
    for act in record.get("do", "answer").split():
        yield from ACTS[act](record, path)


def table(value, n=1):
    # From a list, pyarrow would import pandas first: half of the start of the worker.
    return pa.table({"value": pa.repeat(pa.scalar(value), n)})


def rows(record, _path):
    value = record.get("value", 0)
    yield table(value, record.get("rows", 1))


def other_columns(record, _path):
    yield pa.table({"text": [str(record["value"])], "number": [float("nan")]})


def refuse(_record, path):
    raise ReadError("Nothing in it can be used.", "Send another.", path=path)
    yield


def crash(_record, _path):
    os.abort()
    yield


def hang(_record, _path):
    time.sleep(600)
    yield


def devour(_record, _path):
    yield table(len(bytearray(2**40)))


def stumble(_record, _path):
    raise ZeroDivisionError("of a reader")
    yield


def change(record, path):
    yield table(record["value"])
    path.write_text(json.dumps({"value": record["value"] + 1}))


def talk(record, _path):
    print("a library that prints")  # noqa: T201
    os.write(1, b"and one in C\n")
    yield table(record["value"])


def tell(record, _path):
    yield pa.table({"told": [os.environ[record["value"]]]})


ACTS = {
    "answer": rows,
    "other": other_columns,
    "refuse": refuse,
    "crash": crash,
    "hang": hang,
    "devour": devour,
    "stumble": stumble,
    "change": change,
    "talk": talk,
    "tell": tell,
}


class Together:
    """Answers records together, and says how many it was given."""

    def __call__(self, path):
        yield from answer(path)

    def many(self, files):
        return [self.one(file, len(files)) for file in files]

    def one(self, file, number):
        path = file.path
        record = json.loads(file.data or path.read_bytes())
        act = record.get("do", "answer")
        if act == "answer":
            return table(record["value"]).append_column("together", table(number).column(0))
        try:
            (only,) = ACTS[act](record, path)
        except ReadError as error:
            return error
        return only


class Remembering:
    """Answers with all the values that it knows of, and wants to be told of three."""

    def __init__(self):
        self.known = set()
        self.recalled = 0

    def __call__(self, path):
        for piece in answer(path):
            self.known.add(piece["value"][0].as_py())
            yield pa.table({"value": piece["value"], "text": pa.repeat(pa.scalar(self.text), 1)})

    @property
    def text(self):
        return " ".join(map(str, sorted(self.known)))

    def recall(self, path):
        record = json.loads(path.read_bytes())
        if record.get("recall") == "crash":
            os.abort()
        self.known.add(record["value"])
        self.recalled += 1
        return self.recalled < 3


def avro(path):
    """Answer with what an Avro container holds."""
    import fastavro  # noqa: PLC0415  # an extra

    with path.open("rb") as file:
        for record in fastavro.reader(file):
            yield table(record["value"])


PREDICTORS = {
    "": lambda: answer,
    "avro": lambda: avro,
    "together": Together,
    "remembering": Remembering,
}


def open_toy(_settings: WorkerSettings):
    return PREDICTORS["".join(sys.argv[1:])]()


if __name__ == "__main__":
    try:
        main(open_toy)
    except BrokenPipeError:
        sys.exit(1)
