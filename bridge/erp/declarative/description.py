"""The file that describes an endpoint. Every mistake is reported at once, with its file, line and field."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from bridge.config import places, wording
from bridge.config.field_path import parse_path
from bridge.config.settings.table import Table
from bridge.erp.declarative.mistakes import mistakes_in, requests_in
from bridge.errors import ConfigError, Problem
from bridge.model.production import EventKind

Protocol = Literal["rest", "json_rpc", "xml_rpc", "soap", "graphql"]


def _path(text: str) -> str:
    if text:
        parse_path(text)
    return text


AnswerPath = Annotated[str, AfterValidator(_path)]
"""A path into an answer, such as items[0].id; empty: the answer itself."""


class RequestTemplate(Table):
    """One request. REST: method, path, query, headers, and body (JSON), form or xml; else call (or document) and params."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] | None = None
    path: str | None = None
    query: dict[str, str] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict)
    body: Any = None
    form: dict[str, str] = Field(default_factory=dict)
    xml: str | None = None
    call: str | None = Field(None, description="Name of the remote procedure or of the SOAP operation.")
    document: str | None = Field(None, description="GraphQL document with one operation; values go into params only.")
    params: dict[str, Any] | list[Any] = Field(default_factory=dict)


class Condition(Table):
    """Something that an answer must say: at `path`, one of `is_one_of`; without it, anything that is not empty."""

    path: AnswerPath
    is_one_of: list[str | int | bool] | None = Field(None, min_length=1)
    otherwise: str = Field("", description="What a person is told where it does not hold; may have placeholders.")


class FailureRule(Table):
    """What an answer means. The first rule that fits decides, before the status does."""

    status: list[Annotated[int, Field(ge=100, le=599)]] = Field(
        default_factory=list, description="One of these statuses. Default: any."
    )
    path: AnswerPath | None = Field(None, description="... and something at this path of the answer")
    is_one_of: list[str | int | bool] | None = Field(
        None, min_length=1, description="... that is one of these. Default: not empty."
    )
    means: Literal["transient", "own_fault", "credentials", "business", "closed_period", "unknown", "posted"]
    says: AnswerPath = Field("", description="Where the answer says why. Default: all of it.")


class Ask(Table):
    """A question before a request: what its answer must say, and what is taken from it for placeholders."""

    request: RequestTemplate
    take: dict[str, AnswerPath] = Field(
        default_factory=dict, description="Name of a placeholder -> where its value is."
    )
    require: list[Condition] = Field(default_factory=list)


class LookupTable(Table):
    """How to ask whether the event is there: `id` is a path that leads to the system's id, or nowhere."""

    request: RequestTemplate
    id: AnswerPath


class EventLookup(LookupTable):
    """The same for an event, with what the answer says of its pieces: a document of other pieces is not taken for the event's."""

    same: dict[Literal["quantity", "yielded", "scrapped"], AnswerPath] = Field(
        default_factory=dict, description="Quantity of the event -> where the answer says it. Default: not compared."
    )


class TotalTable(Table):
    """The system's own total of an order, which must be what came before the event."""

    request: RequestTemplate
    path: AnswerPath


class StepTable(Table):
    """One request that changes something. Its own questions are asked when it is sent, after the steps before it."""

    name: str = Field(min_length=1)
    request: RequestTemplate
    repeatable: bool = Field(False, description="Sending it twice has the effect of once. Default false.")
    ask: list[Ask] = Field(default_factory=list)
    expect: list[Condition] = Field(default_factory=list, description="What a success says; else it is none.")


class EventTable(Table):
    """How one kind of event is carried."""

    ask: list[Ask] = Field(default_factory=list)
    lookup: EventLookup
    total: TotalTable | None = None
    step: list[StepTable] = Field(min_length=1)


class Listing(Table):
    """How records are read: {since} is the time from which on, {cursor} the last answer's `next`."""

    request: RequestTemplate
    items: AnswerPath = ""
    next: AnswerPath | None = None
    fields: dict[str, AnswerPath]
    states: dict[str, str] = Field(default_factory=dict, description="The system's word for a state -> ours.")


class TotalsTable(Table):
    """What the system holds of orders: one with {order_ref}, or several with {order_refs}, a list."""

    request: RequestTemplate
    items: AnswerPath | None = Field(None, description="With {order_refs}: the records in the answer.")
    order: AnswerPath = Field("", description="With {order_refs}: the order's number in a record.")
    next: AnswerPath | None = Field(None, description="With {order_refs}: the next page's {cursor}.")
    at_once: int = Field(50, ge=1, le=1000, description="Orders in one {order_refs} at most. Default 50.")
    good: AnswerPath = Field(min_length=1, description="What it has as made, what was taken back taken off.")
    scrap: AnswerPath | None = Field(None, description="What it has as scrapped. Default: it does not tell.")
    item: AnswerPath | None = Field(None, description="The code of what the order makes, for units with a factor.")


class StockTable(Table):
    """What may be promised of an item at a place: {item} and {location} are the system's names; an empty location is all."""

    request: RequestTemplate
    available: AnswerPath = Field(min_length=1, description="The quantity.")
    known: AnswerPath | None = Field(
        None,
        description="Something there says that the system knows item and place. Default: a 404 says that it does not.",
    )


class Description(Table):
    """The whole file."""

    protocol: Protocol
    path: str = Field("", description="Path of the one address of a protocol that is not REST.")
    wsdl: Path | None = Field(None, description="SOAP: the WSDL, a local file beside this one.")
    csrf_path: str = Field(
        "",
        description="Path that answers `x-csrf-token: Fetch` with a CSRF token (SAP Gateway). Default: none is needed.",
    )
    answers: Literal["json", "xml"] = Field("json", description="REST: what answers are. Default json.")
    event: dict[EventKind, EventTable] = Field(default_factory=dict)
    failure: list[FailureRule] = Field(default_factory=list)
    orders: Listing | None = None
    shipments: Listing | None = None
    requests: Listing | None = None
    totals: TotalsTable | None = None
    stock: StockTable | None = None
    check_item: LookupTable | None = Field(None, description="Whether an item is known: {item}.")
    check_equipment: LookupTable | None = Field(None, description="Whether equipment is known: {equipment_id}.")

    @model_validator(mode="after")
    def _wsdl_belongs_to_soap(self) -> Self:
        if self.protocol == "soap" and self.wsdl is None:
            raise ValueError("soap needs wsdl, the service's description as a file beside this one")
        if self.protocol != "soap" and self.wsdl is not None:
            raise ValueError(f"wsdl has no meaning for {self.protocol}")
        return self


def load(file: Path) -> Description:
    """Read and check a description. Raises ConfigError with every mistake, in the order of their lines."""
    try:
        text = file.read_text(encoding="utf-8")
        raw = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        where = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        line, column = (int(where[1]), int(where[2])) if where else (0, 0)
        raise ConfigError([Problem(str(file), line, column, "", f"cannot be read: {error}")]) from error
    found = places.places(text)
    mistakes = list(mistakes_in(raw))
    description: Description | None = None
    try:
        description = Description.model_validate(raw)
    except ValidationError as error:
        mistakes += [(tuple(each["loc"]), wording.words(each, Description)) for each in error.errors(include_url=False)]
    if mistakes or description is None:
        problems = [_problem(file, found, path, message) for path, message in mistakes]
        raise ConfigError(sorted(problems, key=lambda problem: problem.line))
    if description.wsdl is None:
        return description
    wsdl = file.parent / description.wsdl
    if problems := [
        _problem(file, found, path, message) for path, message in _wsdl_mistakes(description.path, wsdl, raw)
    ]:
        raise ConfigError(sorted(problems, key=lambda problem: problem.line))
    return description.model_copy(update={"wsdl": wsdl})


def _wsdl_mistakes(path: str, wsdl: Path, raw: dict[str, Any]) -> list[tuple[places.Path, str]]:
    """A WSDL that cannot be used, or requests for operations that it does not have."""
    from bridge.erp.declarative.soap import Soap  # noqa: PLC0415  # zeep is slow to import, and few need it

    try:
        known = Soap(path, wsdl).operations()
    except ValueError as error:
        return [(("wsdl",), str(error))]
    told = ", ".join(sorted(known))
    return [
        ((*place, "call"), f"the WSDL has no operation {request.get('call')}; it has {told}")
        for place, request in requests_in(raw)
        if request.get("call") not in known
    ]


def _problem(file: Path, found: dict[places.Path, int], path: places.Path, message: str) -> Problem:
    path = tuple(part for part in path if part != "[key]")  # pydantic's word for a mistake in the key itself
    dotted = ""
    for part in path:
        dotted += f"[{part}]" if isinstance(part, int) else f".{part}" if dotted else part
    return Problem(str(file), _line(found, path), 0, dotted, message)


def _line(found: dict[places.Path, int], path: places.Path) -> int:
    """The first line of what is at the place, or of the nearest thing around it.

    A table that only stands in the headers of others (`[event.scrap.lookup]`) has the line of the first of them.
    """
    while path:
        if inside := [line for place, line in found.items() if place[: len(path)] == path]:
            return min(inside)
        path = path[:-1]
    return 1
