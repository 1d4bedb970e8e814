"""What an archive holds, for people: as text, and as plain values for ``--json``."""

from personaevo.inspect.program import best_id, program_text
from personaevo.inspect.spending import spending_object, spending_text
from personaevo.inspect.summary import summary_text
from personaevo.inspect.table import table_object, table_text

__all__ = ["best_id", "program_text", "spending_object", "spending_text", "summary_text", "table_object", "table_text"]
