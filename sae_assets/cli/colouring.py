"""A window of text on the terminal, its tokens coloured by how strongly a feature activates on them."""

from __future__ import annotations

from rich.text import Text

from sae_assets.interpretation.records import ExampleWindow
from sae_assets.runners.visible_text import controls, escaped

STYLES = {"weak": "black on #fde68a", "medium": "black on #fb923c", "strong": "bold white on #dc2626"}
"""Background by strength, of a contrast that can be read on light and on dark terminals."""
LINE_BREAK, TAB = "⏎", "⇥"


def strength(activation: float, max_activation: float) -> str | None:
    """ "weak", "medium" or "strong": which third of the feature's maximum the activation lies in; None where silent."""
    if activation <= 0:
        return None
    third = int(3 * activation / max_activation) if max_activation > 0 else 2
    return list(STYLES)[min(third, 2)]


def coloured(window: ExampleWindow, max_activation: float) -> Text:
    """The window on one line, line breaks as a sign; control characters of the text are shown, not obeyed."""
    text = Text()
    for piece, activation in zip(window.pieces, window.activations.tolist(), strict=True):
        level = strength(activation, max_activation)
        shown = visible(piece)
        # The space before a word stays plain: at the end of a line it would be a coloured block by itself.
        word = shown.lstrip(" ") or shown
        text.append(shown.removesuffix(word))
        text.append(word, style=STYLES[level] if level else "")
    return text


def visible(text: str) -> str:
    """The text with line breaks and tabs as signs, and what would control the terminal or its direction as escapes."""
    text = text.replace("\r\n", LINE_BREAK).replace("\n", LINE_BREAK).replace("\t", TAB)
    return "".join(escaped(char) if controls(char) else char for char in text)


def legend() -> Text:
    """What the colours mean."""
    levels = [Text(f" {level} ", style=style) for level, style in STYLES.items()]
    return Text(" ").join([Text("activation:", style="dim"), *levels])
