//! What became of the rows of an input.

use std::ops::AddAssign;

/// Row counts of one input; `read = inserted + updated + unchanged + repeated + rejected`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Rows found in the input, blank ones aside.
    pub read: u64,
    /// Rows with a key that was not stored before.
    pub inserted: u64,
    /// Rows that changed a stored row.
    pub updated: u64,
    /// Rows that are stored already, or that the conflict rule leaves out.
    pub unchanged: u64,
    /// Rows whose key came again in the same batch.
    pub repeated: u64,
    /// Rows that could not be typed or keyed, kept in the rejects table.
    pub rejected: u64,
    /// Stored rows with implausible values, such as a high below the low.
    pub suspect: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.read += other.read;
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.repeated += other.repeated;
        self.rejected += other.rejected;
        self.suspect += other.suspect;
    }
}
