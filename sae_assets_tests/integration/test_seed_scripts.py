"""The scripts and the TOML file of the manual that the user gave run here, as they stand.

Indentation is restored, `lm_saes` is `sae_assets`, and models, datasets and devices are those of this machine. Beyond
that the manual needs two corrections: a comma before `mongo=`, and the import of MongoDBConfig in two scripts. The
granular script loads a model and a dataset and never hands them over; here they are arguments (DESIGN 1). The endpoint
of `auto_interp` is named in the environment, so that its script needs no change for it.
"""

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from upath import UPath

from sae_assets.analysis.summary_file import read_summaries
from sae_assets.store.explanations import explanations_of
from sae_assets.store.kept_documents import ExplanationDocument
from sae_assets.store.lookup import find_analysis
from sae_assets.store.reading import read_features
from sae_assets.store.server import running_server
from sae_assets_tests.interpretation.llm_server import LLMServer
from sae_assets_tests.language_model.tiny_model import write_tiny_model
from sae_assets_tests.processes import run_command, run_process
from sae_assets_tests.project import D_SAE, DEAD, TinyProject, write_sae, write_text

pytestmark = pytest.mark.slow
SAE_ID = "pythia-sae/pythia-160m-sae"
HOOK_POINT = "blocks.6.hook_resid_post"
KEY = "your-api-key"

ANALYZE = """
    import torch
    from sae_assets import (
        AnalyzeSAESettings,
        analyze_sae,
        PretrainedSAE,
        DatasetConfig,
        ActivationFactoryConfig,
        ActivationFactoryDatasetSource,
        ActivationFactoryTarget,
        FeatureAnalyzerConfig,
        LanguageModelConfig,
        MongoDBConfig,
    )
    settings = AnalyzeSAESettings(
        sae=PretrainedSAE(
            pretrained_name_or_path="results",
        ),
        sae_name="pythia-160m-sae",
        sae_series="pythia-sae",
        model=LanguageModelConfig(
            model_name="EleutherAI/pythia-160m",
            device="cpu",
            dtype="torch.float16",
        ),
        model_name="pythia-160m",
        datasets={
            "SlimPajama-3B": DatasetConfig(
                dataset_name_or_path="Hzfinfdu/SlimPajama-3B",
            )
        },
        activation_factory=ActivationFactoryConfig(
            sources=[ActivationFactoryDatasetSource(name="SlimPajama-3B")],
            target=ActivationFactoryTarget.ACTIVATIONS_2D,
            hook_points=["blocks.6.hook_resid_post"],
            batch_size=32,
            context_size=1024,
        ),
        analyzer=FeatureAnalyzerConfig(
            total_analyzing_tokens=100_000_000,
        ),
        mongo=MongoDBConfig(),
    )
    analyze_sae(settings)
"""

TOML = """
    sae_name = "pythia-160m-sae"
    sae_series = "pythia-sae"
    model_name = "pythia-160m"
    output_dir = "analysis_results"
    [sae]
    pretrained_name_or_path = "results"
    [model]
    model_name = "EleutherAI/pythia-160m"
    device = "cpu"
    dtype = "torch.float16"
    [datasets."SlimPajama-3B"]
    dataset_name_or_path = "Hzfinfdu/SlimPajama-3B"
    [activation_factory]
    target = "activations-2d"
    hook_points = ["blocks.6.hook_resid_post"]
    batch_size = 32
    context_size = 1024
    [[activation_factory.sources]]
    type = "dataset"
    name = "SlimPajama-3B"
    [mongo]
    mongo_uri = "localhost"
    [analyzer]
    total_analyzing_tokens = 10_000_000
"""

GRANULAR = """
    import datasets
    import torch
    from sae_assets import (
        ActivationFactory,
        ActivationFactoryConfig,
        ActivationFactoryDatasetSource,
        ActivationFactoryTarget,
        LanguageModelConfig,
        FeatureAnalyzer,
        FeatureAnalyzerConfig,
        TransformerLensLanguageModel,
        AbstractSparseAutoEncoder,
    )
    # Load Model & Dataset
    model = TransformerLensLanguageModel(
        LanguageModelConfig(
            model_name="EleutherAI/pythia-160m",
            device="cpu",
            dtype="torch.float16",
        )
    )
    dataset = datasets.load_dataset(
        "Hzfinfdu/SlimPajama-3B",
        split="train",
    )
    # Generate Activations
    activation_factory = ActivationFactory(
        ActivationFactoryConfig(
            sources=[ActivationFactoryDatasetSource(name="SlimPajama-3B")],
            target=ActivationFactoryTarget.ACTIVATIONS_2D,
            hook_points=["blocks.6.hook_resid_post"],
            batch_size=32,
            context_size=1024,
        )
    )
    # Load trained SAE from disk
    sae = AbstractSparseAutoEncoder.from_pretrained("results", device="cpu")
    # Analyze it
    analyzer = FeatureAnalyzer(
        FeatureAnalyzerConfig(total_analyzing_tokens=100_000_000)
    )
    result = analyzer.analyze_chunk(
        activation_factory,
        sae=sae,
        model=model,
        datasets={"SlimPajama-3B": dataset},
    )
"""
SAVE_RESULT = """
    from safetensors.torch import save_file
    save_file({"act_times": result.act_times, "max_feature_acts": result.max_feature_acts}, "result.safetensors")
"""

ATTRIBUTE = """
    from sae_assets import (
        DirectLogitAttributeSettings, direct_logit_attribute, DirectLogitAttributorConfig, PretrainedSAE, MongoDBConfig
    )
    settings = DirectLogitAttributeSettings(
        sae=PretrainedSAE(pretrained_name_or_path="results"),
        sae_name="pythia-160m-sae",
        sae_series="pythia-sae",
        model_name="EleutherAI/pythia-160m",
        direct_logit_attributor=DirectLogitAttributorConfig(
            top_k=10,
        ),
        mongo=MongoDBConfig(),
    )
    direct_logit_attribute(settings)
"""

INTERPRET = """
    from sae_assets import AutoInterpSettings, auto_interp, AutoInterpConfig, LanguageModelConfig, MongoDBConfig
    settings = AutoInterpSettings(
        sae_name="pythia-160m-sae",
        sae_series="pythia-sae",
        model=LanguageModelConfig(
            model_name="EleutherAI/pythia-160m",
            device="cpu",
            dtype="torch.float16",
        ),
        model_name="pythia-160m",
        auto_interp=AutoInterpConfig(
            openai_api_key="your-api-key",
            openai_model="gpt-4o",
        ),
        mongo=MongoDBConfig(),
    )
    auto_interp(settings)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyProject]:
    """A working folder with what the scripts name: the model, the dataset, and the checkpoint in `results`."""
    root = tmp_path_factory.mktemp("seed")
    model = write_tiny_model(root / "pythia-160m", n_layers=7, n_positions=1024)
    (root / "SlimPajama-3B").mkdir()
    write_sae(root / "results", hook_point=HOOK_POINT)
    with TinyProject(root, model, write_text(root / "SlimPajama-3B" / "train.jsonl")).served() as project:
        yield project


@pytest.fixture(scope="module")
def analysed(folder: TinyProject) -> TinyProject:
    """The folder after the manual's first script."""
    run_script(folder, ANALYZE)
    return folder


def localised(text: str, folder: TinyProject) -> str:
    """The text with local places for the names of the hub."""
    text = textwrap.dedent(text)
    return text.replace("EleutherAI/pythia-160m", str(folder.model)).replace(
        "Hzfinfdu/SlimPajama-3B", str(folder.text.parent)
    )


def run_script(folder: TinyProject, text: str, **environment: str) -> None:
    script = folder.root / "script.py"
    script.write_text(localised(text, folder), encoding="utf-8")
    result = run_process(folder, sys.executable, script, **environment)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr


def explanations(folder: TinyProject) -> list[ExplanationDocument]:
    with folder.store() as store:
        return explanations_of(store, SAE_ID, "default")


def test_first_script_analyses_the_sae(analysed):
    with analysed.store() as store:
        found = find_analysis(store, "pythia-160m-sae", "pythia-sae")
        features = list(read_features(store, SAE_ID, "default"))
    assert (found.sae.model_name, found.sae.hook_point) == ("pythia-160m", HOOK_POINT)
    assert 5000 < found.analysis.n_analyzed_tokens < 10_000  # all that the text holds
    assert DEAD not in {one.index for one in features} and len(features) > D_SAE / 2
    for feature in features:
        samples = feature.samples["top_activations"]
        assert samples[0].peak == pytest.approx(feature.statistics.max_act)
        assert all(sample.context.text and len(sample.context.tokens) == 1024 for sample in samples)


def test_toml_file_gives_the_same_in_the_folder_and_the_store_that_it_names(analysed):
    with running_server(analysed.data.mongo) as server:
        text = localised(TOML, analysed).replace('"localhost"', f'"{server.status.host}"')
        (analysed.root / "analyze_config.toml").write_text(text, encoding="utf-8")
        result = run_command(analysed, "analyze", "analyze_config.toml", MONGO_DB="of_the_toml")
    assert result.returncode == 0, result.stderr
    assert "63 of 64 features are alive" in result.stdout and "the datasets hold no more" in result.stdout
    output = analysed.root / "analysis_results"
    assert sorted(path.name for path in output.iterdir()) == ["contexts.parquet", "summaries.parquet"]
    summaries = read_summaries(UPath(output / "summaries.parquet")).summaries
    with analysed.store() as store:
        by_script = find_analysis(store, SAE_ID).analysis
        by_toml = store.client["of_the_toml"]["analyses"].find_one({})
    assert by_toml is not None and by_toml["_id"] == by_script.id
    assert by_toml["n_alive"] == by_script.n_alive == summaries.n_alive
    assert by_toml["n_analyzed_tokens"] == by_script.n_analyzed_tokens == summaries.n_analyzed_tokens


def test_granular_script_gives_what_the_first_one_published(analysed):
    run_script(analysed, GRANULAR + SAVE_RESULT)
    result = load_file(analysed.root / "result.safetensors")
    with analysed.store() as store:
        features = list(read_features(store, SAE_ID, "default", alive_only=False))
    assert result["act_times"].tolist() == [one.statistics.act_times for one in features]
    assert torch.equal(result["max_feature_acts"], torch.tensor([one.statistics.max_act for one in features]))


def test_second_script_attributes_logits(analysed):
    run_script(analysed, ATTRIBUTE)
    with analysed.store() as store:
        features = list(read_features(store, SAE_ID, "default", alive_only=False))
    assert len(features) == D_SAE
    for feature in features:
        assert feature.logits is not None and feature.logits.variant == "norm"
        assert len(feature.logits.top) == len(feature.logits.bottom) == 10


def test_third_script_explains_every_alive_feature(analysed):
    with LLMServer(key=KEY, model="gpt-4o") as llm:
        run_script(analysed, INTERPRET, OPENAI_BASE_URL=llm.base_url)
        n_requests = len(llm.requests)
        run_script(analysed, INTERPRET, OPENAI_BASE_URL=llm.base_url)
        assert len(llm.requests) == n_requests
    found = explanations(analysed)
    with analysed.store() as store:
        assert [one.index for one in found] == [one.index for one in read_features(store, SAE_ID, "default")]
    assert all(one.text.startswith("the word") and len(one.scores) == 2 for one in found)
    files = [path for path in Path(str(analysed.data.root)).rglob("*") if path.is_file()]
    assert files and not [path for path in files if KEY.encode() in path.read_bytes()]
