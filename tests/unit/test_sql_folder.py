"""The queries are found however Python was started, also where another distribution has a package `sql`."""

from __future__ import annotations

import subprocess
import sys


def test_queries_and_migrations_are_found_without_the_checkout_on_the_path(tmp_path):
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "__init__.py").touch()
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import sql; assert sql.__file__.startswith(sys.path[0])\n"
        "from bridge.store import migrate; assert migrate.migrations()"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True, cwd=tmp_path, timeout=60)
