"""`callboard settings`."""

from dataclasses import asdict, dataclass

from pydantic.fields import FieldInfo
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from cli.output import AsJson, print_json
from errors import ConfigurationError
from services.shown import shown
from settings import Settings, load


@dataclass(frozen=True)
class Setting:
    name: str
    value: str | int | float | None
    default: str | int | float | None
    is_set: bool
    meaning: str


def settings(as_json: AsJson = False) -> None:
    """Every setting: its value, secrets masked, and what it means."""
    try:
        current, wrong = load(), None
    except ConfigurationError as error:
        current, wrong = None, error  # the list is what the error asks to look at: show it all the same
    listed = [_setting(name, field, current) for name, field in Settings.model_fields.items()]
    if as_json:
        print_json([asdict(setting) for setting in listed])
    else:
        Console().print(_table(listed))
    if wrong:
        raise wrong


def _setting(name: str, field: FieldInfo, current: Settings | None) -> Setting:
    return Setting(
        name=name.upper(),
        value=shown(getattr(current, name)) if current else None,
        default=shown(field.get_default(call_default_factory=True, validated_data={})),
        is_set=bool(current and name in current.model_fields_set),
        meaning=field.description or "",
    )


def _table(listed: list[Setting]) -> Table:
    table = Table(Column("setting", no_wrap=True), Column("value", overflow="fold"), "meaning")
    for setting in listed:
        value = "" if setting.value is None else str(setting.value)
        table.add_row(setting.name, escape(value), escape(setting.meaning), style="bold" if setting.is_set else "")
    table.caption = "Bold: set in the environment, .env or callboard.toml. The others have their default."
    return table
