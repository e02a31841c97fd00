//! The ways of packing a stream, what they are called, and what their errors mean.

use std::fmt;
use std::io::{self, ErrorKind};
use std::ops::RangeInclusive;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Result, bail};

use crate::error::Failure;

/// A way of packing one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Small and fast.
    Zstd,
    /// Fastest.
    Lz4,
    /// Known everywhere.
    Gzip,
}

impl Codec {
    /// The words, as a user types them.
    pub const WORDS: [&'static str; 3] = ["zstd", "lz4", "gzip"];

    pub(super) const ALL: [Self; 3] = [Self::Zstd, Self::Lz4, Self::Gzip];

    /// Returns its name.
    pub fn name(self) -> &'static str {
        Self::WORDS[self as usize]
    }

    /// Returns the extension of its files.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Zstd => "zst",
            Self::Lz4 => "lz4",
            Self::Gzip => "gz",
        }
    }

    /// Returns the bytes its files begin with.
    pub(crate) const fn magic(self) -> &'static [u8] {
        match self {
            Self::Zstd => b"\x28\xb5\x2f\xfd",
            Self::Lz4 => b"\x04\x22\x4d\x18",
            Self::Gzip => b"\x1f\x8b",
        }
    }

    /// Returns the codec that the extension of a file's name stands for.
    pub fn from_extension(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "zst" | "zstd" => Some(Self::Zstd),
            "lz4" => Some(Self::Lz4),
            "gz" | "gzip" => Some(Self::Gzip),
            _ => None,
        }
    }

    /// Returns its levels and the one that is used when none is asked for, as its own program has them.
    fn levels(self) -> Option<(RangeInclusive<i32>, i32)> {
        match self {
            Self::Zstd => Some((1..=22, 3)),
            Self::Gzip => Some((1..=9, 6)),
            Self::Lz4 => None,
        }
    }

    /// Returns the level to pack with.
    pub(super) fn level(self, asked: Option<i32>) -> Result<i32> {
        match (self.levels(), asked) {
            (None, None) => Ok(0),
            (None, Some(_)) => bail!(
                Failure::usage(format!("cannot use '--level' with {self}: it has no levels"))
                    .hint("`--codec zstd --level 1` is the next in speed")
            ),
            (Some((_, level)), None) => Ok(level),
            (Some((levels, _)), Some(level)) if levels.contains(&level) => Ok(level),
            (Some((levels, _)), Some(level)) => bail!(Failure::usage(format!(
                "cannot use level {level} with {self}: it has {} to {}",
                levels.start(),
                levels.end()
            ))),
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Codec {
    type Err = UnknownCodec;

    fn from_str(word: &str) -> Result<Self, UnknownCodec> {
        Self::ALL.into_iter().find(|codec| codec.name() == word).ok_or_else(|| UnknownCodec(word.to_owned()))
    }
}

/// A word that is no [`Codec`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCodec(String);

impl fmt::Display for UnknownCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown codec '{}', expected one of {}", self.0, Codec::WORDS.join(", "))
    }
}

impl std::error::Error for UnknownCodec {}

/// Returns an error of unpacking as "cut off" or "damaged"; those of the disk and of our own stay.
pub(crate) fn explain(err: io::Error, what: &str) -> io::Error {
    let ours = matches!(err.get_ref(), Some(inner) if inner.is::<Failure>());
    if ours || err.raw_os_error().is_some() || err.kind() == ErrorKind::Interrupted {
        return err;
    }
    if err.kind() == ErrorKind::UnexpectedEof {
        return cut_off(what);
    }
    io::Error::new(err.kind(), Failure::new(format!("its {what} data is damaged: {err}")))
}

/// Returns the error of data that ends too early.
pub(crate) fn cut_off(what: &str) -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, Failure::new(format!("its {what} data is cut off")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::exit_code;

    #[test]
    fn words_and_extensions_name_codecs() {
        for codec in Codec::ALL {
            assert_eq!(codec.name().parse(), Ok(codec));
            let path = format!("a.csv.{}", codec.extension().to_uppercase());
            assert_eq!(Codec::from_extension(Path::new(&path)), Some(codec));
        }
        assert_eq!(Codec::from_extension(Path::new("zst")), None);
        let error = "bzip2".parse::<Codec>().unwrap_err();
        assert_eq!(error.to_string(), "unknown codec 'bzip2', expected one of zstd, lz4, gzip");
    }

    #[test]
    fn each_codec_has_its_levels() {
        for (codec, asked, level) in [
            (Codec::Zstd, None, 3),
            (Codec::Zstd, Some(22), 22),
            (Codec::Gzip, None, 6),
            (Codec::Gzip, Some(9), 9),
            (Codec::Lz4, None, 0),
        ] {
            assert_eq!(codec.level(asked).unwrap(), level);
        }
        for (codec, asked) in [(Codec::Zstd, 23), (Codec::Zstd, 0), (Codec::Gzip, 10), (Codec::Lz4, 1)] {
            assert_eq!(exit_code(&codec.level(Some(asked)).unwrap_err()), 2, "{codec} {asked}");
        }
    }
}
