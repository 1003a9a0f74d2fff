"""Histograms as SVG: what every bar counts can be seen, hit and read."""

from hypothesis import given
from hypothesis import strategies as st

from sae_assets.web.charts import AXIS, HEIGHT, WIDTH, histogram
from sae_assets.web.models.base import Bar


def bars(*counts: int) -> list[Bar]:
    return [Bar(start=float(place), stop=place + 1.0, count=count) for place, count in enumerate(counts)]


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=400), st.booleans())
def test_bars_stand_on_the_axis_in_their_order_and_within_the_picture(counts, is_log):
    chart = histogram(bars(*counts), "label", "features", is_log=is_log)
    assert len(chart.bars) == len(counts)
    for bar, after in zip(chart.bars, [*chart.bars[1:], None], strict=True):
        assert bar.x >= 0 and bar.x + bar.width <= (after.x if after else WIDTH) + 0.02
        assert bar.y >= -0.01 and abs(bar.y + bar.height - (HEIGHT - AXIS)) < 0.02
    ordered = sorted(zip(counts, chart.bars, strict=True), key=lambda pair: pair[0])
    heights = [bar.height for _, bar in ordered]
    assert heights == sorted(heights)


def test_one_feature_beside_a_million_is_seen_and_an_empty_bar_is_not():
    chart = histogram(bars(1_000_000, 0, 1), "label", "features")
    assert [bar.height > 0 for bar in chart.bars] == [True, False, True]


def test_a_bar_says_its_range_and_count_and_leads_to_what_it_counts_unless_it_is_empty():
    chart = histogram(bars(1200, 0), "label", "features", link=lambda bar: f"?from={bar.start}")
    assert chart.bars[0].title == "0 to 1: 1,200 features"
    assert [bar.link for bar in chart.bars] == ["?from=0.0", None]


def test_the_first_and_the_last_edge_are_labelled_and_stay_within_the_picture():
    ticks = histogram(bars(*range(12)), "label", "features").ticks
    assert (ticks[0].text, ticks[0].anchor, ticks[0].x) == ("0", "start", 0)
    assert (ticks[-1].text, ticks[-1].anchor, ticks[-1].x) == ("12", "end", WIDTH)
    assert [tick.x for tick in ticks] == sorted(tick.x for tick in ticks)


def test_nothing_to_count_makes_an_empty_chart():
    assert histogram([], "label", "features").ticks == []
