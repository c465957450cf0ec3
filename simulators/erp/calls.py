"""One call of the External JSON-2 API: `POST /json/2/<model>/<method>` with named arguments, and its methods.

Every model can be searched and read; what else may be called is in the tables of the models that have it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from simulators.erp.errors import ContractError, Forbidden, NotFound, UserRefused, WrongArguments
from simulators.erp.models import MODELS
from simulators.erp.search import read, search
from simulators.erp.store import Store


@dataclass(frozen=True, slots=True)
class Call:
    """Arguments of a call; `ids` and `context` stand beside the method's own."""

    store: Store
    model: str
    now: datetime
    ids: list[int] = field(default_factory=list)
    context: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)

    def list_of(self, name: str) -> list[Any]:
        """A mandatory argument that must be a list; a single object counts as a list of one."""
        value = self.arguments.get(name)
        if isinstance(value, dict):
            return [value]
        if not isinstance(value, list):
            raise WrongArguments(f"missing a required argument: '{name}'")
        return value


@dataclass(frozen=True, slots=True)
class Method:
    """What a method does, which arguments it takes, and whether it changes anything."""

    run: Callable[[Call], Any]
    arguments: frozenset[str] = frozenset()
    posts: bool = True


def parse_call(store: Store, model: str, method: str, body: Any, now: datetime) -> tuple[Method, Call]:
    """Find the method and its arguments; raises NotFound, Forbidden or WrongArguments."""
    found = find_method(model, method)
    if not isinstance(body, dict):
        raise WrongArguments("the body must be a JSON object")
    ids, context = body.get("ids", []), body.get("context", {})
    if not isinstance(ids, list) or not all(type(number) is int for number in ids):
        raise WrongArguments("ids must be a list of numbers")
    if not isinstance(context, dict):
        raise WrongArguments("context must be an object")
    arguments = {name: value for name, value in body.items() if name not in ("ids", "context")}
    for name in arguments:
        if name not in found.arguments:
            raise WrongArguments(f"got an unexpected keyword argument '{name}'")
    return found, Call(store, model, now, ids, context, arguments)


def find_method(model: str, method: str) -> Method:
    """The method of a model; raises NotFound or Forbidden."""
    if model not in MODELS:
        raise NotFound(f"the model '{model}' does not exist")
    if method.startswith("_"):
        raise Forbidden(f"Private methods (such as '{model}.{method}') cannot be called remotely.")
    found = METHODS.get(model, {}).get(method) or READING.get(method)
    if found is None:
        raise NotFound(f"the method '{model}.{method}' does not exist")
    return found


def create(call: Call) -> list[int]:
    """Add records and give their ids."""
    return [call.store.create(call.model, values, call.now) for values in call.list_of("vals_list")]


def write(call: Call) -> bool:
    """Change records; one that is missing undoes the whole call."""
    values = call.arguments.get("vals")
    if not isinstance(values, dict):
        raise WrongArguments("missing a required argument: 'vals'")
    for number in call.ids:
        call.store.update(call.model, number, values, call.now)
    return True


def load(call: Call) -> dict[str, Any]:
    """Import rows of texts: with the external id of a row before, the same record is written again; a mistake loads nothing.

    It is answered with 200 then too, whatever a create or a write refused: `ids` is false, and the messages say why.
    """
    fields, data = call.list_of("fields"), call.list_of("data")
    messages = [
        {"type": "error", "message": f"Invalid value for {name}", "field": name}
        for row in data
        for name, value in zip(fields, row, strict=False)
        if not isinstance(value, str)
    ]
    if messages:
        return {"ids": False, "messages": messages, "nextrow": 0}
    try:
        with call.store.savepoint():
            ids = [_load_row(call, dict(zip(fields, row, strict=True))) for row in data]
    except ContractError as refused:
        return {"ids": False, "messages": [{"type": "error", "message": str(refused)}], "nextrow": 0}
    return {"ids": ids, "messages": [], "nextrow": 0}


def _load_row(call: Call, row: dict[str, str]) -> int:
    external = row.pop("id", "")
    values = {name.partition("/")[0]: _imported(call, name, text) for name, text in row.items()}
    methods = METHODS.get(call.model, {})
    if external and (known := _known(call, external, call.model)) is not None:
        methods.get("write", WRITE).run(replace(call, ids=[known], arguments={"vals": values}))
        return known
    [number] = methods.get("create", CREATE).run(replace(call, arguments={"vals_list": [values]}))
    if external:
        call.store.create("ir.model.data", {"name": external, "model": call.model, "res_id": number}, call.now)
    return int(number)


def _known(call: Call, external: str, model: str) -> int | None:
    for one in call.store.rows("ir.model.data"):
        if (one["name"], one["model"]) == (external, model):
            return int(one["res_id"])
    return None


def _imported(call: Call, name: str, text: str) -> Any:
    field, _, sub = name.partition("/")
    default, target = MODELS[call.model].defaults.get(field), MODELS[call.model].many2one.get(field)
    if sub and target is not None:
        number = _known(call, text, target) if sub == "id" else int(text)
        if number is None or call.store.find(target, number) is None:
            kind = "external id" if sub == "id" else "database id"
            raise UserRefused(f"No matching record found for {kind} '{text}' in field '{field}'")
        return number
    return float(text) if isinstance(default, float) else text


def _search_read(call: Call) -> list[dict[str, Any]]:
    given = call.arguments
    rows = search(
        call.store,
        call.model,
        given.get("domain") or [],
        given.get("limit"),
        given.get("offset") or 0,
        given.get("order"),
    )
    return read(call.store, call.model, rows, given.get("fields"), call.context.get("location"))


def _read(call: Call) -> list[dict[str, Any]]:
    rows = [row for number in call.ids if (row := call.store.find(call.model, number)) is not None]
    return read(call.store, call.model, rows, call.arguments.get("fields"), call.context.get("location"))


def _search_count(call: Call) -> int:
    return len(search(call.store, call.model, call.arguments.get("domain") or []))


CREATE = Method(create, frozenset({"vals_list"}))
WRITE = Method(write, frozenset({"vals"}))
LOAD = Method(load, frozenset({"fields", "data"}))

READING = {
    "search_read": Method(
        _search_read, frozenset({"domain", "fields", "offset", "limit", "order", "load"}), posts=False
    ),
    "read": Method(_read, frozenset({"fields", "load"}), posts=False),
    "search_count": Method(_search_count, frozenset({"domain", "limit"}), posts=False),
}

METHODS: dict[str, dict[str, Method]] = {"maintenance.request": {"create": CREATE, "write": WRITE, "load": LOAD}}
