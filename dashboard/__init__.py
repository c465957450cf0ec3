"""The control tower: what people see. KPI definitions (`kpis`), HTTP API and live feed (`api`), pages (`control_tower`)."""
