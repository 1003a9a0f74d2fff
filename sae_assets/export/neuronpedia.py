"""`export neuronpedia`: a checkpoint in the layout that Neuronpedia imports.

```
FOLDER/<model id>/<layer>-<source set>/
  release.jsonl  model.jsonl  sourceset.jsonl  source.jsonl     one row each
  features/batch-N.jsonl.gz                                     2,048 features each
  activations/batch-N.jsonl.gz  explanations/batch-N.jsonl.gz   of the same features; left out where there are none
```

FOLDER is what lies under `v1/` in the bucket that the importer reads; several checkpoints may share it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from gzip import GzipFile
from itertools import groupby
from pathlib import Path

from sae_assets.engine.progress import Progress, silent
from sae_assets.export.features import every_feature
from sae_assets.export.folder import Exported, write_folder
from sae_assets.export.neuronpedia_rows import Row, activation_rows, explanation_rows, json_line, neuron_row
from sae_assets.export.neuronpedia_source import NeuronpediaNames, NeuronpediaSource, neuronpedia_source
from sae_assets.store.connection import Store
from sae_assets.store.features import StoredFeature
from sae_assets.store.lookup import FoundAnalysis

FEATURES_A_BATCH = 2048
"""As Neuronpedia's own converters have it; its importer reads 1,000 files of a kind at most."""
COMPRESSION = 5


def export_neuronpedia(
    store: Store, found: FoundAnalysis, folder: Path, names: NeuronpediaNames, progress: Progress = silent
) -> Exported:
    """Writes all features of an analysis for Neuronpedia's importer; what it asks for is in `neuronpedia_rows`.

    Raises:
        UserError: a name is missing or cannot be one on Neuronpedia, the folder of the source holds something else, or
            another run replaced the analysis meanwhile.
    """
    source = neuronpedia_source(found, names)

    def write(part: Path) -> Mapping[str, int]:
        source.write(part)
        return _write_batches(part, every_feature(store, found, progress), source)

    return write_folder(folder / source.model_id / source.source_id, "neuronpedia", found.analysis.id, write)


def _write_batches(folder: Path, features: Iterator[StoredFeature], source: NeuronpediaSource) -> Mapping[str, int]:
    counts = Counter(features=0, activations=0, explanations=0)
    for number, batch in groupby(features, lambda feature: feature.index // FEATURES_A_BATCH):
        with _BatchFiles(folder, number) as files:
            for feature in batch:
                counts["features"] += files.write("features", [neuron_row(feature, source)])
                counts["activations"] += files.write("activations", activation_rows(feature, source))
                counts["explanations"] += files.write("explanations", explanation_rows(feature, source))
    return counts


class _BatchFiles(ExitStack):
    """The files of one batch of features, each made with its first row; closed at the end of a `with` block."""

    def __init__(self, folder: Path, number: int):
        super().__init__()
        self._folder, self._name = folder, f"batch-{number}.jsonl.gz"
        self._files: dict[str, GzipFile] = {}

    def write(self, kind: str, rows: Iterable[Row]) -> int:
        """Adds rows to the file of this kind, and counts them."""
        n_rows = 0
        for row in rows:
            if kind not in self._files:
                (self._folder / kind).mkdir(exist_ok=True)
                # Without the time in it, equal rows make equal files.
                file = GzipFile(self._folder / kind / self._name, "wb", COMPRESSION, mtime=0)
                self._files[kind] = self.enter_context(file)
            self._files[kind].write(f"{json_line(row)}\n".encode())
            n_rows += 1
        return n_rows
