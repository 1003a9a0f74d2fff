"""The web UI under load: `python benchmarks/web.py [--features N] [--folder F] [--demo PROJECT]`.

A real server process on a real store of 131,072 synthetic features (see `web_store.py`), and on the demo's where
`--demo` names the folder in which `make demo` ran. Prints one JSON line a case: median and 95th percentile of the time
from a request to its whole answer, in milliseconds; then the first byte of a list after a cold start, 50 clients at
once, the bytes of a feature's page, and the most memory that the server's process held. `--folder` keeps the store for
the next time.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

from upath import UPath
from web_store import NAME, SERIES, fill

from sae_assets.disk.layout import DataFolder
from sae_assets.settings.errors import UserError
from sae_assets.store.connection import connect
from sae_assets.store.lookup import find_analysis
from sae_assets.store.server import running_server, stop_server

REPEATS = 60
CLIENTS, REQUESTS_EACH = 50, 20
SORTS = ("index", "density", "max_act", "mean_act", "score", "top_logit")
FILTERS: dict[str, dict[str, object]] = {
    "alive": {"state": "alive"},
    "dead": {"state": "dead"},
    "density": {"min_density": 1e-4, "max_density": 1e-3},
    "activation": {"min_act": 2, "max_act": 5},
    "score": {"scorer": "detection", "min_score": 0.5, "max_score": 0.9, "sort": "score"},
    "bookmarked": {"bookmarked": "true"},
    "annotated": {"annotated": "true"},
    "tag": {"tag": "tag 3"},
    "not explained": {"explained": "false"},
    "all of them": {
        "state": "alive",
        "min_density": 1e-5,
        "min_act": 1,
        "min_score": 0.2,
        "q": "country",
        "sort": "score",
    },
}
SEARCHES = {
    "common word": "country",
    "two words": "numbers after",
    "part of a word": "ba",
    "nothing": "xyzzy",
    "index": "1234",
}


@dataclass(frozen=True)
class Target:
    """An analysis on a server."""

    port: int
    """Where the server listens on the loopback."""
    process: int
    """Id of its process."""
    place: str
    """`/saes/series/name/analysis`."""
    d_sae: int
    """Number of features."""


def main() -> None:
    """Measures the synthetic store, then the demo's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=131_072)
    parser.add_argument("--folder", type=Path, help="keep the store here")
    parser.add_argument("--demo", type=Path, help="the folder in which `make demo` ran")
    asked = parser.parse_args()
    with TemporaryDirectory() as temporary:
        data = DataFolder(UPath(asked.folder or temporary))
        try:
            with running_server(data.mongo):
                _filled(data, asked.features)
                _measure("synthetic", data, f"/saes/{SERIES}/{NAME}/default", asked.features)
        finally:
            stop_server(data.mongo)
    if asked.demo:
        data = DataFolder(UPath(asked.demo / "data"))
        with running_server(data.mongo):
            _measure("demo", data, "/saes/demo/smollm2-l10/default", 4096)


def _filled(data: DataFolder, d_sae: int) -> None:
    with connect(None, data) as store:
        try:
            found = find_analysis(store, NAME, SERIES).analysis.d_sae
        except UserError:
            found = 0
        if found != d_sae:
            fill(store, d_sae)


def _measure(store: str, data: DataFolder, place: str, d_sae: int) -> None:
    def told(case: str, **figures: object) -> None:
        print(json.dumps({"store": store, "case": case, **figures}), flush=True)

    for case in ("cold start", "cold start again"):
        began = time.perf_counter()
        with _server(data) as (port, process):
            _first_byte(port, f"{place}/features?sort=score")
            told(case, seconds_to_first_byte=round(time.perf_counter() - began, 2))
    with _server(data) as (port, process):
        target = Target(port, process, place, d_sae)
        _first_byte(port, "/")
        for case, addresses in _cases(target).items():
            told(case, **_times(target.port, addresses))
        told("bytes of a feature's page", **_page_bytes(target))
        before = _peak_mb(process)
        told(f"{CLIENTS} clients at once", **_crowd(target))
        told("memory", peak_mb=_peak_mb(process), peak_mb_before_the_crowd=before)


def _cases(target: Target) -> dict[str, list[str]]:
    """The addresses that each case asks for, one after the other; those of pages, and those of the API."""
    draw = random.Random(0)
    indices = [draw.randrange(target.d_sae) for _ in range(REPEATS)]
    lists = {"first page": [{}], "random": []}
    lists |= {f"sorted by {sort}": [{"sort": sort, "order": order} for order in ("asc", "desc")] for sort in SORTS}
    lists |= {f"filter: {name}": [query] for name, query in FILTERS.items()}
    lists |= {f"search: {name}": [{"q": words}, {"q": words, "state": "alive"}] for name, words in SEARCHES.items()}
    cases = {}
    for kind, before in (("page", ""), ("API", "/api/v1")):
        cases[f"feature ({kind})"] = [f"{before}{target.place}/features/{index}" for index in indices]
        for name, queries in lists.items():
            end = "/features/random?" if name == "random" else "/features?"
            all_of_them = [f"{before}{target.place}{end}{urlencode(query)}" for query in queries or [{}]]
            cases[f"{name} ({kind})"] = all_of_them * (REPEATS // 3 // len(all_of_them))
        cases[f"checkpoints ({kind})"] = [before + "/saes" if before else "/"] * 10
        cases[f"checkpoint ({kind})"] = [f"{before}{target.place}"] * 10
    return cases


def _times(port: int, addresses: list[str]) -> dict[str, object]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    times, size = [], 0
    for number, address in enumerate([addresses[0], *addresses]):
        began = time.perf_counter()
        status, body = _get(connection, address)
        if number:  # the first fills what is kept for all that follow
            times.append(time.perf_counter() - began)
        size = max(size, len(body))
        if status >= 400:
            raise SystemExit(f"{address}: {status} {body[:300]!r}")
    connection.close()
    return _percentiles(times) | {"requests": len(times), "largest_kb": round(size / 1000, 1)}


def _percentiles(times: list[float]) -> dict[str, object]:
    cuts = statistics.quantiles(times, n=20, method="inclusive")
    return {"p50_ms": round(statistics.median(times) * 1000, 1), "p95_ms": round(cuts[-1] * 1000, 1)}


def _get(connection: HTTPConnection, address: str) -> tuple[int, bytes]:
    connection.request("GET", address)
    answer = connection.getresponse()
    return answer.status, answer.read()


def _crowd(target: Target) -> dict[str, object]:
    """Clients that all ask for feature pages, lists and searches at the same time, each as fast as it gets answers."""
    times: list[float] = []
    errors: list[str] = []

    def client(number: int) -> None:
        draw = random.Random(number)
        connection = HTTPConnection("127.0.0.1", target.port, timeout=120)
        for _ in range(REQUESTS_EACH):
            address = target.place + draw.choice(
                [
                    f"/features/{draw.randrange(target.d_sae)}",
                    f"/features?sort={draw.choice(SORTS)}",
                    f"/features?q={draw.choice(['country', 'years', 'ba'])}",
                ]
            )
            began = time.perf_counter()
            try:
                status, _ = _get(connection, address)
                times.append(time.perf_counter() - began)
                if status != 200:
                    errors.append(f"{address}: {status}")
            except OSError as error:
                errors.append(f"{address}: {error}")

    began = time.perf_counter()
    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    rate = round(len(times) / seconds)
    return _percentiles(times) | {"requests": len(times), "a_second": rate, "errors": len(errors), "some": errors[:3]}


def _page_bytes(target: Target) -> dict[str, object]:
    """A feature's page without caching: itself, and with its style, scripts and icon, plain and as they are sent."""
    connection = HTTPConnection("127.0.0.1", target.port, timeout=60)
    pages = [
        _get(connection, f"{target.place}/features/{index}")[1] for index in range(0, target.d_sae, target.d_sae // 40)
    ]
    largest = max(pages, key=len)
    assets = [_get(connection, address)[1] for address in _assets(connection, largest.decode())]
    return {
        "page_kb": round(len(largest) / 1000, 1),
        "page_kb_median": round(statistics.median(map(len, pages)) / 1000, 1),
        "with_assets_kb": round((len(largest) + sum(map(len, assets))) / 1000, 1),
        "compressed_with_assets_kb": round(sum(len(gzip.compress(part)) for part in (largest, *assets)) / 1000, 1),
    }


def _assets(connection: HTTPConnection, page: str) -> list[str]:
    """Addresses of what the page loads, and of the modules that its scripts import."""
    found = list(dict.fromkeys(re.findall(r'(?:src|href)="(/static/[^"]+)"', page)))
    for address in found:
        if ".js" in address:
            script = _get(connection, address)[1].decode()
            folder = address.rsplit("/", 1)[0]
            imported = [f"{folder}/{name}" for name in re.findall(r'from "\./([^"]+)"', script)]
            found += [other for other in imported if other not in found]
    return found


@contextmanager
def _server(data: DataFolder) -> Iterator[tuple[int, int]]:
    """Starts the web UI; gives its port and its process id at once, before it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [Path(sys.executable).with_name("sae-assets"), "serve", "--port", str(port)],
        env={name: value for name, value in os.environ.items() if not name.startswith("MONGO_")}
        | {"SAE_ASSETS_DATA": str(data.root)},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _first_byte(port: int, address: str) -> None:
    """Returns as soon as the first byte of the answer is there; asks again until something listens."""
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
                connection.sendall(f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
                begin = connection.recv(15)
        except ConnectionRefusedError:
            time.sleep(0.01)
            continue
        if not begin.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"{address}: {begin!r}")
        return


def _peak_mb(process: int) -> int:
    """The most memory that the process held so far; that of its children, where the model runs, is not in it."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return round(int(found[1]) / 1024) if found else 0


if __name__ == "__main__":
    main()
