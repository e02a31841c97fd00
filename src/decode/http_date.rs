//! The dates of HTTP headers, such as `Sun, 06 Nov 1994 08:49:37 GMT`.

/// Reads a date of an HTTP header into microseconds since 1970.
pub fn http_date(text: &str) -> Option<i64> {
    // RFC 9110 writes GMT where RFC 2822 wants an offset; both mean UTC.
    let zoned = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    Some(zoned.timestamp().as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_headers_are_read() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000_000));
        assert_eq!(http_date("tomorrow"), None);
    }
}
