"""The plant's vocabulary: pure types, no input or output."""
