"""Before a rule is trusted: what it would have done on recorded readings, and its own tests, with the engine's own instances.

`run(rules, chunks) -> Report` is all that is needed for data of any source; `csv_chunks` reads CSV files, `stored` the database.
"""

from rules.backtest.csv_file import CsvFile, csv_chunks
from rules.backtest.data import AssetSpec, Chunk, Column
from rules.backtest.report import Report
from rules.backtest.run import Backtest, run

__all__ = ["AssetSpec", "Backtest", "Chunk", "Column", "CsvFile", "Report", "csv_chunks", "run"]
