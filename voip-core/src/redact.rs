//! Keeps secrets and phone numbers out of logs.
//!
//! [`Secret`] holds a password or key: it has no `Display`, and its `Debug` shows nothing. [`number`] shortens a phone
//! number for a log line so that calls can be told apart and nobody can be dialled from the log.

use std::fmt;

/// A password, token or key. Only [`expose`](Self::expose) shows it, so every use can be found by name.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself: for computing with it, never for printing.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is the empty string.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        // Overwrites on a best-effort basis: the optimiser may see through it, swap and copies are out of reach.
        let length = self.0.len();
        self.0.clear();
        for _ in 0..length {
            self.0.push('\0');
        }
        std::hint::black_box(&self.0);
    }
}

/// A phone number or SIP user shortened for a log: the first four and last two characters of a number of seven digits
/// or more, everything of a shorter one (an extension is nobody's private number).
pub fn number(number: &str) -> Redacted<'_> {
    Redacted(number)
}

/// What [`number`] returns: shows itself shortened.
#[derive(Clone, Copy, Debug)]
pub struct Redacted<'a>(&'a str);

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.bytes().filter(u8::is_ascii_digit).count();
        let characters = self.0.chars().count();
        if digits < 7 {
            return f.write_str(self.0);
        }
        for (i, c) in self.0.chars().enumerate() {
            let shown = i < 4 || i + 2 >= characters;
            fmt::Write::write_char(f, if shown { c } else { '*' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown_by_debug() {
        let secret = Secret::new("do not show");
        assert_eq!(format!("{secret:?}"), "[secret]");
        assert_eq!(secret.expose(), "do not show");
    }

    #[test]
    fn numbers_are_shortened_and_extensions_are_not() {
        assert_eq!(number("+74951234567").to_string(), "+749******67");
        assert_eq!(number("101").to_string(), "101");
    }
}
