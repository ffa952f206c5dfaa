"""A parser of command lines that is stricter than argparse, and says more: every error is a `Stop`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from itertools import islice
from typing import Any, NoReturn

from pycharrnn.arguments import close
from pycharrnn.cli.failures import Stop


class Once(argparse.Action):
    """Keep the value of an option, or the `const` of a flag. A second one is an error: it would replace the first."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: object, values: Any, option: Any = None) -> None:
        given: dict[str, str] = vars(parser).setdefault("given", {})  # what is kept -> the option that gave it
        if option and self.dest in given:
            same = given[self.dest] in self.option_strings
            raise argparse.ArgumentError(self, "given twice" if same else f"not allowed with {given[self.dest]}")
        given[self.dest] = option
        setattr(namespace, self.dest, values if self.nargs != 0 else self.const)


class Parser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` in which an option stands once, in full, before or after the files.

    An option that is not given does not exist among the parsed ones, so the defaults are those of the API.
    """

    def __init__(self, **options: Any) -> None:
        raw = argparse.RawDescriptionHelpFormatter
        super().__init__(allow_abbrev=False, formatter_class=raw, argument_default=argparse.SUPPRESS, **options)
        self.register("action", None, Once)  # of options that say none

    def error(self, message: str) -> NoReturn:
        """Raise a `Stop` for wrong usage."""
        raise Stop(f"{message} (see {self.prog} --help)", 2)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the arguments: unknown ones are an error of this parser, be it that of a command."""
        options, unknown = super().parse_known_args(args and self._in_order(args), namespace)
        if unknown:
            known = [option for action in self._actions for option in action.option_strings]
            questions = (close(word.partition("=")[0], known) for word in unknown if word.startswith("-"))
            self.error(f"unrecognized arguments: {' '.join(unknown)}{''.join(questions)}")
        return options, unknown

    def _in_order(self, args: Sequence[str]) -> list[str]:
        """Put options first, then the files of a command: argparse takes no files from both sides of an option."""
        if self._subparsers is not None:
            return [*args]
        options: list[str] = []
        files: list[str] = []
        rest = iter(args)
        for word in rest:
            if word == "--":
                files += rest
            elif word == "-" or not word.startswith("-"):
                files.append(word)
            else:
                options.append(word)
                action = self._option_string_actions.get(word)
                options += islice(rest, int(action is not None and action.nargs != 0))
                if word.startswith("--") and re.fullmatch(r"-(?![-a-zA-Z]).*|---.*", options[-1], re.DOTALL):
                    options[-2:] = ["=".join(options[-2:])]  # as "---", which is no option, but begins like one
        return [*options, "--", *files] if files else options

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = [str(choice) for choice in action.choices]
            question = f"{value!a}{close(value, choices)} (choose from {', '.join(choices)})"
            raise argparse.ArgumentError(action, f"invalid choice: {question}")
