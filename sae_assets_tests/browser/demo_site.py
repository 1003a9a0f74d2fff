"""The quick start's model, text and checkpoint, analysed on few tokens, with what people and models add to it.

Beside the checkpoint lies a second one, made from it as a later training step might be, so that there is something to
compare.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from sae_assets.demo.settings import CHECKPOINT, HOOK_POINT, NAME, SERIES
from sae_assets.settings import AnalysisSettings
from sae_assets.settings.layers import CheckpointFacts, checkpoint_settings
from sae_assets.store.explanations import record_explained, save_explanations, write_by_hand
from sae_assets.store.kept_documents import ExplanationVersionDocument
from sae_assets.store.reading import read_features
from sae_assets_tests.processes import run_command
from sae_assets_tests.project import TinyProject

LATER = f"{NAME}-later"
SAE_ID, LATER_ID = f"{SERIES}/{NAME}", f"{SERIES}/{LATER}"
N_TOKENS = 20_000
MINERAL, COUNTRY, ATTACK = 3450, 3161, 2758
"""Features that are easy to understand: the checkpoint's README says what they are active on."""
WRITTEN = {
    ATTACK: "The words “attack” and “attacks”, military or terrorist",
    COUNTRY: "The second of a pair: “from river to river”, “day by day”",
    MINERAL: "The word “mineral”, before wealth, regions or resources",
    254: "The digit after an 8 in a number",
    1777: "“now” after a form of “to be”",
    2113: "“a” after a price, as in “$4 a mile”",
    2994: "The close of a year, a session or a war",
    3175: "“I” after “and”, as in “you and I”",
}
"""What the model says of some features."""
BY_HAND = 2466
"""The feature that a person explained."""
N_EXPLAINED = 300
"""Features from the first on that the model explained by the tokens that they promote."""
REPLACED, SILENCED, TURNED = slice(4000, 4096), slice(3900, 3950), slice(3700, 3800)
"""Features of the later checkpoint that have another direction, are dead, and have turned."""


def make_demo(root: Path) -> TinyProject:
    """Prepares and analyses the demo in an empty folder; its server runs only meanwhile."""
    project = TinyProject(root, model=root, text=root)
    with project.served():
        _command(project, "demo")
        _write_later(root / "checkpoints" / SERIES)
        _command(project, "analyze", *[_analysis_file(project, name) for name in (NAME, LATER)])
        for name in (NAME, LATER):
            _command(project, "dla", _logits_file(project, name))
        _explain(project)
    return project


def _command(project: TinyProject, *words: str | Path) -> None:
    done = run_command(project, *words, OMP_NUM_THREADS="2")
    assert done.returncode == 0, done.stderr


def _write_later(series: Path) -> None:
    shutil.copytree(CHECKPOINT, series / LATER)
    file = series / LATER / "sae_weights.safetensors"
    weights = load_file(file)
    generator = torch.Generator().manual_seed(0)
    encoder, decoder = weights["W_E"], weights["W_D"]
    noise = torch.randn(decoder.shape, generator=generator).to(decoder.dtype)
    noise = noise / noise.norm(dim=1, keepdim=True) * decoder.norm(dim=1, keepdim=True)
    for features, share in ((REPLACED, 1.0), (TURNED, 0.7)):
        decoder[features] += share * noise[features] - (decoder[features] if share == 1 else 0)
        encoder[:, features] = decoder[features].T
    encoder[:, SILENCED] = 0
    weights["b_E"][SILENCED] = -1
    save_file(weights, file)


def _analysis_file(project: TinyProject, name: str) -> Path:
    settings = _settings(project, name).for_analysis(_folder(name), SERIES, name)
    analyzer = settings.analyzer.model_copy(update={"total_analyzing_tokens": N_TOKENS})
    file = project.root / f"{name}.json"
    file.write_text(settings.model_copy(update={"analyzer": analyzer}).model_dump_json())
    return file


def _logits_file(project: TinyProject, name: str) -> Path:
    file = project.root / f"{name}-logits.json"
    file.write_text(_settings(project, name).for_logits(_folder(name), SERIES, name).model_dump_json())
    return file


def _settings(project: TinyProject, name: str) -> AnalysisSettings:
    facts = CheckpointFacts(hook_point=HOOK_POINT)
    return checkpoint_settings(project.root / _folder(name), {}, facts, project.root)


def _folder(name: str) -> Path:
    return Path("checkpoints") / SERIES / name


def _explain(project: TinyProject) -> None:
    """Explanations as a model would leave them, with scores; one that was replaced by a person's."""
    with project.store() as store:
        promoted = {
            feature.index: [token.text.strip() for token in feature.logits.top[:3]]
            for feature in read_features(store, SAE_ID, "default", alive_only=True)
            if feature.logits is not None and feature.index < N_EXPLAINED
        }
        texts = {index: "Text that goes on with “" + "”, “".join(words) + "”" for index, words in promoted.items()}
        texts |= {BY_HAND: "The word “all”"} | WRITTEN
        save_explanations(store, [_by_a_model(index, text) for index, text in sorted(texts.items())])
        write_by_hand(store, SAE_ID, "default", BY_HAND, "“all” standing by itself after a noun or a verb")
        record_explained(store, SAE_ID, "default")


def _by_a_model(index: int, text: str) -> ExplanationVersionDocument:
    value = (index * 37 % 100) / 100
    right = round(20 * value)
    counts = {"true_positive": right // 2, "false_positive": (20 - right) // 2}
    counts |= {"true_negative": right - right // 2, "false_negative": 20 - right - (20 - right) // 2}
    usage = {"requests": 1, "prompt_tokens": 1200, "completion_tokens": 80}
    scores = [
        {"scorer": "detection", "value": value, "n": 20, "n_unparsable": 0, "counts": counts, "usage": usage},
        {"scorer": "simulation", "value": round(1.4 * value - 0.4, 3), "n": 400, "n_unparsable": 0, "usage": usage},
    ]
    return ExplanationVersionDocument(
        sae=SAE_ID,
        analysis="default",
        index=index,
        text=text,
        consistency=1 + index % 5,
        complexity=1 + index // 7 % 5,
        scores=scores,
        explainer="openai",
        model="a-language-model",
        prompt_hash="0123456789abcdef",
        prompt=f"We study feature {index} of a sparse autoencoder.\nWhat do its contexts have in common?",
        answer=f'{{"explanation": "{text}"}}',
        usage={"requests": 3, "prompt_tokens": 3600, "completion_tokens": 240},
        seconds=2.5,
    )
