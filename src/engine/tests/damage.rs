//! Archived files that are not what was published.

use super::*;
