//! What happens to a row whose key is already stored.

use std::str::FromStr;

/// The rule for a key that is stored already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// Takes every new value that is not null; a null never replaces a value.
    #[default]
    KeepKnown,
    /// Takes the new row whole, nulls included.
    Replace,
    /// Keeps the stored row.
    Ignore,
    /// Stops at the first row with a differing value.
    Fail,
}

impl OnConflict {
    /// The words of the command line, in the order of the variants.
    pub const WORDS: [&str; 4] = ["keep-known", "replace", "ignore", "fail"];
}

impl FromStr for OnConflict {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "keep-known" => Ok(Self::KeepKnown),
            "replace" => Ok(Self::Replace),
            "ignore" => Ok(Self::Ignore),
            "fail" => Ok(Self::Fail),
            _ => Err(format!("expected one of {}", Self::WORDS.join(", "))),
        }
    }
}
