"""Models and their fields, with the value that a new record has; many2one fields name their model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Model:
    """Fields of one model; `False` is Odoo's empty value."""

    name: str
    defaults: Row
    many2one: dict[str, str] = field(default_factory=dict)
    sequence: str | None = None

    def has(self, name: str) -> bool:
        """Whether a record has the field."""
        return name in self.defaults or name in AUTOMATIC


AUTOMATIC = ("id", "display_name", "create_date", "write_date")

_PRODUCTION = Model(
    "mrp.production",
    {
        "name": False,
        "origin": False,
        "product_id": False,
        "product_qty": 1.0,
        "product_uom_id": 1,
        "qty_producing": 0.0,
        "qty_produced": 0.0,
        "bom_id": False,
        "state": "draft",
        "picking_type_id": 11,
        "date_start": False,
        "date_deadline": False,
        "date_finished": False,
        "reservation_state": False,
        "priority": "0",
        "location_src_id": 5,
        "location_dest_id": 5,
        "backorder_sequence": 0,
        "consumption_picked": False,
        "user_id": False,
        "company_id": 1,
    },
    {
        "product_id": "product.product",
        "product_uom_id": "uom.uom",
        "picking_type_id": "stock.picking.type",
        "bom_id": "mrp.bom",
        "location_src_id": "stock.location",
        "location_dest_id": "stock.location",
        "company_id": "res.company",
    },
    "WH/MO/{:05d}",
)

_SCRAP = Model(
    "stock.scrap",
    {
        "name": False,
        "product_id": False,
        "scrap_qty": 1.0,
        "product_uom_id": 1,
        "production_id": False,
        "location_id": 5,
        "scrap_location_id": 9,
        "origin": False,
        "state": "draft",
        "date_done": False,
        "scrap_reason_tag_ids": [],
        "company_id": 1,
    },
    {
        "product_id": "product.product",
        "product_uom_id": "uom.uom",
        "production_id": "mrp.production",
        "location_id": "stock.location",
        "scrap_location_id": "stock.location",
        "company_id": "res.company",
    },
    "SP/{:05d}",
)

_REQUEST = Model(
    "maintenance.request",
    {
        "name": False,
        "equipment_id": False,
        "maintenance_type": "corrective",
        "priority": "0",
        "description": False,
        "stage_id": 1,
        "request_date": False,
        "schedule_date": False,
        "close_date": False,
        "duration": 0.0,
        "kanban_state": "normal",
        "archive": False,
        "maintenance_team_id": 1,
        "company_id": 1,
    },
    {
        "equipment_id": "maintenance.equipment",
        "stage_id": "maintenance.stage",
        "maintenance_team_id": "maintenance.team",
        "company_id": "res.company",
    },
)

_PICKING = Model(
    "stock.picking",
    {
        "name": False,
        "origin": False,
        "partner_id": False,
        "sale_id": False,
        "state": "assigned",
        "scheduled_date": False,
        "date_deadline": False,
        "date_done": False,
        "picking_type_code": "outgoing",
        "picking_type_id": 2,
        "company_id": 1,
    },
    {
        "partner_id": "res.partner",
        "sale_id": "sale.order",
        "picking_type_id": "stock.picking.type",
        "company_id": "res.company",
    },
    "WH/OUT/{:05d}",
)

_SALE = Model(
    "sale.order",
    {
        "name": False,
        "partner_id": False,
        "date_order": False,
        "commitment_date": False,
        "state": "sale",
        "amount_total": 0.0,
        "delivery_status": "pending",
        "company_id": 1,
    },
    {"partner_id": "res.partner", "company_id": "res.company"},
    "S{:05d}",
)

_SALE_LINE = Model(
    "sale.order.line",
    {
        "order_id": False,
        "product_id": False,
        "product_uom_qty": 1.0,
        "qty_delivered": 0.0,
        "price_unit": 0.0,
        "name": False,
    },
    {"order_id": "sale.order", "product_id": "product.product"},
)

_PRODUCT = Model(
    "product.product",
    {
        "name": False,
        "default_code": False,
        "uom_id": 1,
        "standard_price": 0.0,
        "list_price": 0.0,
        "type": "consu",
        "is_storable": True,
        "qty_available": 0.0,
    },
    {"uom_id": "uom.uom"},
)

_EQUIPMENT = Model(
    "maintenance.equipment",
    {"name": False, "serial_no": False, "location": False, "category_id": False, "active": True},
    {"category_id": "maintenance.equipment.category"},
)

_NAMED_ONLY = (
    "uom.uom",
    "stock.picking.type",
    "res.partner",
    "res.company",
    "stock.scrap.reason.tag",
    "maintenance.team",
    "maintenance.equipment.category",
)

MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        _PRODUCTION,
        _SCRAP,
        _REQUEST,
        _PICKING,
        _SALE,
        _SALE_LINE,
        _PRODUCT,
        _EQUIPMENT,
        Model(
            "mrp.bom",
            {"product_id": False, "product_qty": 1.0, "bom_line_ids": []},
            {"product_id": "product.product"},
        ),
        Model(
            "mrp.bom.line",
            {"bom_id": False, "product_id": False, "product_qty": 1.0, "product_uom_id": 1},
            {"bom_id": "mrp.bom", "product_id": "product.product", "product_uom_id": "uom.uom"},
        ),
        Model("maintenance.stage", {"name": False, "done": False, "sequence": 0}),
        Model("ir.model.data", {"name": False, "model": False, "res_id": 0}),
        Model("stock.location", {"name": False, "complete_name": False, "usage": "internal"}),
        *(Model(name, {"name": False}) for name in _NAMED_ONLY),
    )
}
