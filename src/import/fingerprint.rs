//! What tells two contents of one path apart.

/// Grows over the bytes of an input.
#[derive(Default)]
pub(super) struct Fingerprint {
    crc: flate2::Crc,
    bytes: u64,
}

impl Fingerprint {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// Returns the fingerprint in words: the length and a CRC-32.
    pub(super) fn finish(&self) -> String {
        format!("{}-{:08x}", self.bytes, self.crc.sum())
    }
}
