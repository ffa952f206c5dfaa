"""A screen to write on with a model: the text, a suggestion in grey behind it, and what one can do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

try:
    from prompt_toolkit.application import Application
    from prompt_toolkit.buffer import Buffer
    from prompt_toolkit.document import Document
    from prompt_toolkit.filters import Condition, has_focus
    from prompt_toolkit.key_binding import KeyBindings
    from prompt_toolkit.layout import BufferControl, ConditionalContainer, FormattedTextControl, HSplit, Layout, Window
    from prompt_toolkit.layout.processors import BeforeInput, Processor, TabsProcessor, Transformation
    from prompt_toolkit.layout.utils import explode_text_fragments
    from prompt_toolkit.output import create_output
    from prompt_toolkit.styles import Style
except ImportError:
    raise ImportError('write needs prompt-toolkit: pip install "pycharrnn[write]"') from None

from pycharrnn.cli.draft import Draft
from pycharrnn.output import count, escaped

_STYLE = Style.from_dict(
    {"suggestion": "fg:ansibrightblack italic", "said": "reverse", "keys": "fg:ansibrightblack", "escape": "fg:ansired"}
)
_KEYS = "^S save   ^Q quit   Tab next word   Right all of it   Alt-N another   ^Z undo"  # a narrow screen cuts the end
_WARMER = "(Alt-Up, Alt-Down)"


class Escapes(Processor):
    """Characters that would control the terminal are shown as escapes."""

    def apply_transformation(self, transformation_input: Any) -> Transformation:
        """Replace them in a line, and tell the places before from those after."""
        fragments: list[Any] = []
        places = [0]  # of each character, and of the end
        for style, character, *_ in explode_text_fragments(transformation_input.fragments):
            shown = escaped(character)
            fragments.append((style if shown == character else f"{style} class:escape", shown))
            places.append(places[-1] + len(shown))
        return Transformation(
            fragments,
            source_to_display=lambda i: places[i] if i < len(places) else places[-1] + i - len(places) + 1,
            display_to_source=lambda i: sum(place <= i for place in places[1:]),
        )


class Behind(Processor):
    """What the model suggests, in grey behind the last character."""

    def __init__(self, suggestion: Callable[[], str]) -> None:
        from pycharrnn.lab.visible import LINE_END  # the sign that surprise shows, too

        self._suggestion = suggestion
        self._line_end = LINE_END

    def apply_transformation(self, transformation_input: Any) -> Transformation:
        """Add it to the last line, if the cursor is at the end."""
        found = transformation_input
        fragments = found.fragments
        if found.lineno == found.document.line_count - 1 and found.document.is_cursor_at_the_end:
            shown = escaped(self._suggestion().replace("\n", self._line_end).replace("\t", " "))
            fragments = [*fragments, ("class:suggestion", shown)]
        return Transformation(fragments)


class Screen:
    """The screen.

    Parameters
    ----------
    draft : Draft
        What is written.
    save : callable
        ``save(name, text)`` writes a file, or raises an OSError.
    name : str, default ""
        The file to save to; if empty, the screen asks for it.

    Attributes
    ----------
    text : str
        The text.
    name : str
        The file to save to.
    is_saved : bool
        Whether the file has it.
    """

    def __init__(self, draft: Draft, save: Callable[[str, str], None], name: str = "") -> None:
        self._draft = draft
        self._save = save
        self.name = name
        self._said = ""
        self._saved = draft.text
        self._buffer = Buffer(document=Document(draft.text), on_text_changed=lambda _: self._changed())
        self._asked = Buffer(multiline=False, accept_handler=lambda buffer: self._named(buffer.text))
        self._asks = has_focus(self._asked)
        processors = [Escapes(), TabsProcessor(char1=" ", char2=" "), Behind(lambda: draft.suggestion)]
        text = BufferControl(self._buffer, input_processors=processors)
        asked = BufferControl(self._asked, input_processors=[Escapes(), BeforeInput("save as: ")])
        self._focus = Layout(
            HSplit(
                [
                    Window(text, wrap_lines=True),
                    ConditionalContainer(Window(asked, height=1, style="class:said"), self._asks),
                    ConditionalContainer(
                        Window(FormattedTextControl(self._status), height=1, style="class:said"), ~self._asks
                    ),
                    Window(FormattedTextControl(_KEYS), height=1, style="class:keys"),
                ]
            ),
            focused_element=text,
        )
        self._text_window = text

    @property
    def text(self) -> str:
        return self._buffer.text

    @property
    def is_saved(self) -> bool:
        return self.text == self._saved

    def run(self) -> None:
        """Show the screen until its user quits."""
        made = Application[None](
            layout=self._focus, key_bindings=self._keys(), style=_STYLE, full_screen=True, **_where_it_shows()
        )
        made.run()

    # --- what its lines say -------------------------------------------------------------------------------------

    def _status(self) -> str:
        place = f"{count(len(self.text), 'character')}{'' if self.is_saved else ', not saved'}"
        ends = "the document may end here; Alt-N goes on" if self._draft.is_over else ""
        warmth = f"temperature {self._draft.temperature:g} {_WARMER}"
        return escaped(f"{self._said or self._draft.problem or ends or warmth} | {place}")

    def _changed(self) -> None:
        self._said = ""
        self._draft.edit(self._buffer.text)

    # --- what its keys do ---------------------------------------------------------------------------------------

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        writes = ~self._asks
        at_end = writes & Condition(lambda: self._buffer.document.is_cursor_at_the_end)

        def bind(*names: str, when: Any = writes, undoable: bool = False) -> Callable[[Callable[[], None]], None]:
            """Let a key, or a sequence of keys, call a function."""

            def add(do: Callable[[], None]) -> None:
                keys.add(*names, filter=when, save_before=lambda _: undoable)(lambda _: do())

            return add

        bind("tab", when=at_end, undoable=True)(lambda: self._buffer.insert_text(self._draft.word()))
        bind("right", when=at_end, undoable=True)(lambda: self._buffer.insert_text(self._draft.suggestion))
        bind("escape", "n")(lambda: self._draft.another())
        bind("escape", "p")(lambda: self._draft.another(-1))
        bind("escape", "up")(lambda: self._draft.warm(0.1))
        bind("escape", "down")(lambda: self._draft.warm(-0.1))
        bind("c-z")(self._buffer.undo)
        bind("escape", "z")(self._buffer.redo)
        bind("c-s")(self._asks_for_a_name)
        bind("escape", when=self._asks)(self._writes_on)
        bind("c-c", when=self._asks)(self._writes_on)
        for name in ("c-q", "c-c", "c-d"):
            keys.add(name, filter=writes)(lambda event: event.app.exit())
        return keys

    def _asks_for_a_name(self) -> None:
        """Save the text, or ask where to."""
        if self.name:
            self._save_to(self.name)
            return
        self._asked.reset()
        self._focus.focus(self._asked)

    def _named(self, name: str) -> bool:
        """Save the text to the file that has been named."""
        if name:
            self._save_to(name)
        self._writes_on()
        return False

    def _save_to(self, name: str) -> None:
        try:
            self._save(name, self.text)
        except OSError as error:
            self._said = f"{name!r}: {error.strerror or error}"
            return
        self.name = name
        self._saved = self.text
        self._said = f"saved to {name!r}"

    def _writes_on(self) -> None:
        self._focus.focus(self._text_window)


def _where_it_shows() -> dict[str, Any]:
    """Where an application shows: where it is asked to by tests, or else on the terminal, even if stdout is a file."""
    return {} if sys.stdout.isatty() else {"output": create_output(always_prefer_tty=True)}
