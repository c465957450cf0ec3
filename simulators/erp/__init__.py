"""The simulated ERP: Odoo 19's External JSON-2 contract with its sharp edges, state in SQLite.

`python -m simulators.erp --help` lists what can be set. `http` speaks the contract, `models` says which records
and fields there are, `production`, `components`, `lots` and `scrap` do what documents do, `search` reads domains, `store` keeps it all
in one transaction a request, `failures` breaks requests on purpose, `trade` sells and ships, `truth` counts.

Where the contract leaves a choice:

- A line's orders carry its operation type: `picking_type_id` is `[11, "Dortmund: line1"]` or `[12, "Dortmund:
  line2"]`, and its product: `product_id` is `[1, "[HSG-L1] Bearing housing L1"]` or `[2, "[HSG-L2] ..."]`.
- `origin` is `MES-0001` and so on, one for each order as it was released; backorders keep it.
- `maintenance.equipment.serial_no` is the equipment path, as `acme/dortmund/machining/line1/cnc1`.
"""
