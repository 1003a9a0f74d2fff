"""What explanations took is read without their prompts, for every version."""

from sae_assets.store.documents import AnalysisDocument
from sae_assets.store.explanation_usage import FEATURES_AT_A_TIME, ExplanationUsage, usage_of_explanations
from sae_assets.store.explanations import save_explanations
from sae_assets.store.kept_documents import ExplanationVersionDocument

SAE = "demo/l10"


def saved(store, index: int, analysis: str = "default", **fields) -> ExplanationVersionDocument:
    document = ExplanationVersionDocument(sae=SAE, analysis=analysis, index=index, text="x", prompt="学 " * 9, **fields)
    save_explanations(store, [document])
    return document


def analysis_of(d_sae: int) -> AnalysisDocument:
    return AnalysisDocument(_id=f"{SAE}/default", sae=SAE, name="default", d_sae=d_sae)  # pyright: ignore


def test_usage_and_prompts_of_every_version_are_found(store):
    scores = [
        {"scorer": "detection", "value": 1.0, "prompt_hash": "d1", "verdicts": [[1, True, True]]},
        {"scorer": "embedding", "value": 0.5, "prompt_hash": None},
    ]
    first = saved(store, 0, usage={"requests": 3, "cost": 0.25}, prompt_hash="p1", scores=scores)
    again = saved(store, 0, usage={"requests": 1}, prompt_hash="p2")
    last = saved(store, 2 * FEATURES_AT_A_TIME)
    saved(store, 0, "other", usage={"requests": 9})
    assert usage_of_explanations(store, analysis_of(2 * FEATURES_AT_A_TIME + 1)) == {
        first.version: ExplanationUsage({"requests": 3, "cost": 0.25}, "p1", {"detection": "d1"}),
        again.version: ExplanationUsage({"requests": 1}, "p2", {}),
        last.version: ExplanationUsage({}, None, {}),
    }


def test_many_explanations_at_a_feature_range_are_all_found(store):
    versions = {saved(store, index % 7, usage={"requests": index}).version: index for index in range(40)}
    found = usage_of_explanations(store, analysis_of(7))
    assert {version: usage.usage["requests"] for version, usage in found.items()} == versions
