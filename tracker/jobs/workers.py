"""Other processes to parse in: what goes to them, what comes back, and how many there are."""

from __future__ import annotations

import gc
import marshal
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import chain, islice
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

from tracker import topic
from tracker.article import ArticleKey
from tracker.jobs import ingest

BATCH = 200
T = TypeVar("T")
J = TypeVar("J")


class Parsed(NamedTuple):
    """The result of one batch: readings with the questions that each matches, unreadable records, and the rest.

    ``stray`` are lines of MEDLINE text that belong to no field.
    """

    readings: list[tuple[ingest.Reading, tuple[str, ...]]]
    refused: list[tuple[int | None, str]]
    unmatched: list[ArticleKey]
    stray: list[tuple[int, str]]


def packed(parsed: Parsed) -> bytes:
    readings = [(tuple(reading), slugs) for reading, slugs in parsed.readings]
    return marshal.dumps((readings, parsed.refused, parsed.unmatched, parsed.stray))


def unpacked(body: bytes) -> Parsed:
    readings, *others = marshal.loads(body)  # noqa: S302 - from our own worker
    return Parsed([(ingest.Reading(*reading), slugs) for reading, slugs in readings], *others)


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    source = iter(items)
    while batch := list(islice(source, BATCH)):
        yield batch


class Workers:
    """Other processes to parse in; none is started if there is only one batch.

    Garbage collection is off meanwhile: rows hold no cycles, and looking for them takes a tenth of the time
    (measured).
    """

    def __init__(self) -> None:
        self._count = max(1, min(2, os.cpu_count() or 1))
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        gc.disable()
        return self

    def __exit__(self, *error: object) -> None:
        gc.enable()
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def parsed(self, work: Callable[[J], bytes], jobs: Iterable[J]) -> Iterator[tuple[J, Parsed]]:
        """Each job with its result from ``work``, in order; only a few run at a time, so memory use stays flat."""
        jobs = iter(jobs)
        first, second = next(jobs, None), next(jobs, None)
        if first is None:
            return
        if second is None:
            yield first, unpacked(work(first))
            return
        waiting: deque[tuple[J, Future[bytes]]] = deque()
        for job in chain((first, second), jobs):
            waiting.append((job, self._submit(work, job)))
            if len(waiting) > 2 * self._count:
                yield _finished(*waiting.popleft())
        while waiting:
            yield _finished(*waiting.popleft())

    def _submit(self, work: Callable[[J], bytes], job: J) -> Future[bytes]:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._count, mp_context=_start_method(), initializer=_begin, initargs=(topic.folder(),)
            )
        return self._pool.submit(work, job)


def _begin(about: Path) -> None:
    """In a worker: take over the topic of the process that started it, and turn off garbage collection."""
    topic.use(about)
    gc.disable()


def _finished(job: J, result: Future[bytes]) -> tuple[J, Parsed]:
    return job, unpacked(result.result())


def _start_method() -> BaseContext:
    """Workers forked from a process that has loaded the code already, if the system supports that: the fastest way."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload(["tracker.jobs.load"])
    return context
