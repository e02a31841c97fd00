//! Which archived files are read, and what comes out of them.

use super::*;
