//! One cell, owned or borrowed, and the key of a series.

/// A cell of a row, owned.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing is known.
    Null,
    /// Text.
    Text(Box<str>),
    /// A number; never NaN, never −0.0.
    Double(f64),
    /// A whole number.
    Bigint(i64),
    /// True or false.
    Boolean(bool),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970 in UTC.
    Timestamp(i64),
}

/// A cell of a row, borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
    /// Nothing is known.
    Null,
    /// Text.
    Text(&'a str),
    /// A number; never NaN, never −0.0.
    Double(f64),
    /// A whole number.
    Bigint(i64),
    /// True or false.
    Boolean(bool),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970 in UTC.
    Timestamp(i64),
}

impl Value {
    /// Borrows the value.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Text(text) => ValueRef::Text(text),
            Self::Double(number) => ValueRef::Double(*number),
            Self::Bigint(number) => ValueRef::Bigint(*number),
            Self::Boolean(flag) => ValueRef::Boolean(*flag),
            Self::Date(days) => ValueRef::Date(*days),
            Self::Timestamp(micros) => ValueRef::Timestamp(*micros),
        }
    }
}

impl ValueRef<'_> {
    /// Copies the value.
    pub fn to_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Text(text) => Value::Text(text.into()),
            Self::Double(number) => Value::Double(number),
            Self::Bigint(number) => Value::Bigint(number),
            Self::Boolean(flag) => Value::Boolean(flag),
            Self::Date(days) => Value::Date(days),
            Self::Timestamp(micros) => Value::Timestamp(micros),
        }
    }

    /// Returns the value as an error message shows it.
    pub fn shown(self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Text(text) => text.to_owned(),
            Self::Double(number) => format!("{number:?}"),
            Self::Bigint(number) => number.to_string(),
            Self::Boolean(flag) => flag.to_string(),
            Self::Timestamp(micros) => super::time::format_timestamp(micros),
            Self::Date(days) => {
                let mut text = Vec::new();
                super::time::write_date(i64::from(days), &mut text);
                String::from_utf8_lossy(&text).into_owned()
            }
        }
    }

    /// Appends a form in which two values are equal exactly when their bytes are, null included.
    pub fn encode(self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.push(0),
            Self::Text(text) => {
                out.push(1);
                out.extend_from_slice(&(text.len() as u64).to_be_bytes());
                out.extend_from_slice(text.as_bytes());
            }
            Self::Double(number) => tagged(2, number.to_bits().to_be_bytes(), out),
            Self::Bigint(number) => tagged(3, number.to_be_bytes(), out),
            Self::Boolean(flag) => tagged(4, i64::from(flag).to_be_bytes(), out),
            Self::Date(days) => tagged(5, i64::from(days).to_be_bytes(), out),
            Self::Timestamp(micros) => tagged(6, micros.to_be_bytes(), out),
        }
    }
}

fn tagged(tag: u8, bytes: [u8; 8], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(&bytes);
}

/// The values of a table's key columns, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesKey(pub Box<[Value]>);

impl SeriesKey {
    /// Returns the bytes that identify the series; null equals null.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(16 * self.0.len());
        for value in &self.0 {
            value.as_ref().encode(&mut bytes);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(values: &[Value]) -> Vec<u8> {
        SeriesKey(values.into()).encode()
    }

    #[test]
    fn different_keys_have_different_bytes() {
        let text = |s: &str| Value::Text(s.into());
        let keys = [
            key(&[text("a"), text("bc")]),
            key(&[text("ab"), text("c")]),
            key(&[text(""), text("abc")]),
            key(&[Value::Null, text("abc")]),
            key(&[Value::Double(1.0)]),
            key(&[Value::Bigint(1)]),
            key(&[Value::Null]),
        ];
        for (at, left) in keys.iter().enumerate() {
            assert!(keys[at + 1..].iter().all(|right| left != right));
        }
    }
}
