"""Models and their fields, with the value that a new record has; many2one fields name their model."""

from __future__ import annotations

from simulators.erp.manufacturing import MOVE, PRODUCTION, SCRAP, UNBUILD
from simulators.erp.model import AUTOMATIC, Model, Row

__all__ = ["AUTOMATIC", "MODELS", "Model", "Row"]

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
        "location_id": 5,
        "location_dest_id": 10,
        "company_id": 1,
    },
    {
        "partner_id": "res.partner",
        "sale_id": "sale.order",
        "picking_type_id": "stock.picking.type",
        "location_id": "stock.location",
        "location_dest_id": "stock.location",
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
        "tracking": "none",
        "qty_available": 0.0,
        "free_qty": 0.0,
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
    "res.partner",
    "res.company",
    "stock.scrap.reason.tag",
    "maintenance.team",
    "maintenance.equipment.category",
)

MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        PRODUCTION,
        SCRAP,
        _REQUEST,
        _PICKING,
        _SALE,
        _SALE_LINE,
        _PRODUCT,
        MOVE,
        UNBUILD,
        _EQUIPMENT,
        Model(
            "mrp.bom",
            {
                "product_id": False,
                "product_qty": 1.0,
                "product_uom_id": 1,
                "consumption": "warning",
                "bom_line_ids": [],
            },
            {"product_id": "product.product", "product_uom_id": "uom.uom"},
        ),
        Model(
            "mrp.bom.line",
            {"bom_id": False, "product_id": False, "product_qty": 1.0, "product_uom_id": 1},
            {"bom_id": "mrp.bom", "product_id": "product.product", "product_uom_id": "uom.uom"},
        ),
        Model("maintenance.stage", {"name": False, "done": False, "sequence": 0}),
        Model("ir.model.data", {"name": False, "model": False, "res_id": 0}),
        Model(
            "stock.lot",
            {"name": False, "product_id": False, "company_id": 1},
            {"product_id": "product.product", "company_id": "res.company"},
        ),
        Model(
            "mrp.workorder",
            {"name": False, "production_id": False, "state": "ready", "sequence": 0},
            {"production_id": "mrp.production"},
        ),
        Model(
            "mail.message",
            {"model": False, "res_id": 0, "body": False, "message_type": "notification", "subtype_xmlid": False},
        ),
        Model("decimal.precision", {"name": False, "digits": 2}),
        Model(
            "stock.location",
            {"name": False, "complete_name": False, "usage": "internal", "warehouse_id": False},
            {"warehouse_id": "stock.warehouse"},
        ),
        Model(
            "stock.warehouse",
            {"name": False, "code": False, "lot_stock_id": 5, "int_type_id": False},
            {"lot_stock_id": "stock.location", "int_type_id": "stock.picking.type"},
        ),
        Model(
            "stock.picking.type",
            {"name": False, "code": "mrp_operation", "warehouse_id": 1, "active": True, "sequence_code": False},
            {"warehouse_id": "stock.warehouse"},
        ),
        *(Model(name, {"name": False}) for name in _NAMED_ONLY),
    )
}
