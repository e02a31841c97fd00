//! The engine over a few rows in memory.
