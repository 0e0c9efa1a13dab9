//! Phone numbers: read from whatever form a carrier writes, kept as E.164, written the way another carrier wants.
//!
//! The national plan is Russia's (and Kazakhstan's): trunk prefix 8, international prefix 810, country code 7, ten-digit
//! national numbers. ITU-T E.164 §6 bounds a number to 15 digits. Numbers of other countries pass through in
//! international form. Which header holds the number is the trunk's business.

use std::fmt;

/// How a carrier writes numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum NumberFormat {
    /// International digits without a plus: `74951234567`.
    Digits,
    /// E.164 with a plus: `+74951234567`.
    #[default]
    Plus,
    /// The national form with trunk prefix 8: `84951234567`; abroad `810` and international digits.
    National8,
    /// As it was dialled.
    AsIs,
}

impl NumberFormat {
    /// The words of the configuration.
    pub const WORDS: [(&'static str, Self); 4] =
        [("digits", Self::Digits), ("plus", Self::Plus), ("national-8", Self::National8), ("as-is", Self::AsIs)];
}

/// What was dialled, or who calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Number {
    /// International digits, when it is a phone number.
    international: Option<String>,
    /// As it was written.
    written: String,
}

impl Number {
    /// Reads a number in any common form. What is not a phone number (an extension, a name, `anonymous`) is kept as it
    /// is; parameters after `;` do not belong to it.
    pub fn parse(written: &str) -> Self {
        let written = written.trim();
        let number = written.strip_prefix("tel:").unwrap_or(written);
        let number = number.split_once(';').map_or(number, |(number, _)| number).trim();
        Self { international: international(number), written: number.to_owned() }
    }

    /// Whether it is a phone number.
    pub const fn is_phone_number(&self) -> bool {
        self.international.is_some()
    }

    /// E.164 with a plus, when it is a phone number.
    pub fn e164(&self) -> Option<String> {
        self.international.as_ref().map(|digits| format!("+{digits}"))
    }

    /// As it was written, without `tel:` and parameters.
    pub fn as_written(&self) -> &str {
        &self.written
    }

    /// As a carrier wants it. What is not a phone number stays as it is.
    pub fn write(&self, format: NumberFormat) -> String {
        let Some(digits) = &self.international else { return self.written.clone() };
        match format {
            NumberFormat::Digits => digits.clone(),
            NumberFormat::Plus => format!("+{digits}"),
            NumberFormat::National8 => match digits.strip_prefix('7') {
                Some(national) if national.len() == 10 => format!("8{national}"),
                _ => format!("810{digits}"),
            },
            NumberFormat::AsIs => self.written.clone(),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.write(NumberFormat::Plus))
    }
}

/// A filter on numbers: `+7495*`. `*` stands for any characters, `?` for one; compared with the E.164 form of a phone
/// number and with anything else as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NumberPattern(String);

impl NumberPattern {
    /// A pattern without blanks; a leading `8` or `7` of a whole Russian number is read as `+7`.
    pub fn parse(pattern: &str) -> Result<Self, String> {
        if pattern.is_empty() || !pattern.chars().all(|c| c.is_ascii_alphanumeric() || "+*?#_-.".contains(c)) {
            return Err("is no pattern: it may hold a plus, digits, letters, * and ?".to_owned());
        }
        let has_wildcard = pattern.contains(['*', '?']);
        if has_wildcard {
            return Ok(Self(pattern.to_owned()));
        }
        Ok(Self(Number::parse(pattern).to_string()))
    }

    /// Whether the number is meant.
    pub fn matches(&self, number: &Number) -> bool {
        let text = number.to_string();
        matches(self.0.as_bytes(), text.as_bytes())
    }

    /// The pattern as it is compared.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Glob comparison that remembers only the last star: linear in practice, quadratic at worst, no recursion.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            Some(_) | None => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    t = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// The international digits of a number, if it is one.
fn international(written: &str) -> Option<String> {
    let (plus, rest) = match written.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (false, written),
    };
    let mut digits = String::with_capacity(MOST_DIGITS + 3);
    for c in rest.chars() {
        match c {
            '0'..='9' => digits.push(c),
            ' ' | '\u{a0}' | '-' | '.' | '(' | ')' | '/' => {}
            _ => return None,
        }
    }
    if plus {
        return is_international(&digits).then_some(digits);
    }
    for prefix in ["810", "00"] {
        if let Some(abroad) = digits.strip_prefix(prefix).filter(|rest| is_international(rest)) {
            return Some(abroad.to_owned());
        }
    }
    // Area codes begin with 3 to 9 in this numbering plan, which tells 8 495 ... from a foreign number in digits.
    let national = |digits: &str| digits.len() == 10 && matches!(digits.as_bytes()[0], b'3'..=b'9');
    if national(&digits) {
        return Some(format!("7{digits}"));
    }
    if let Some(rest) = digits.strip_prefix('8').filter(|rest| national(rest)) {
        return Some(format!("7{rest}"));
    }
    (digits.len() >= 11 && is_international(&digits)).then_some(digits)
}

/// A country code, which never begins with 0, and no more digits than ITU-T E.164 §6 allows.
fn is_international(digits: &str) -> bool {
    (FEWEST_DIGITS..=MOST_DIGITS).contains(&digits.len()) && !digits.starts_with('0')
}

/// Shorter international numbers are not in use; shorter digit strings are extensions and short codes.
const FEWEST_DIGITS: usize = 8;
const MOST_DIGITS: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;

    fn e164(written: &str) -> String {
        Number::parse(written).to_string()
    }

    #[test]
    fn the_forms_that_russian_carriers_write_are_one_number() {
        // Mango Office: digits without a plus in From and Request-URI, 8 and ten digits for the called number.
        assert_eq!(e164("79150863586"), "+79150863586");
        assert_eq!(e164("84996382584"), "+74996382584");
        assert_eq!(e164("79260577653"), "+79260577653");
        // Novofon: with and without a plus, and the ten-digit form.
        assert_eq!(e164("+74951234567"), "+74951234567");
        assert_eq!(e164("74951234567"), "+74951234567");
        assert_eq!(e164("4951234567"), "+74951234567");
        for written in
            ["8 (495) 123-45-67", "+7 495 123 45 67", "7.495.123.45.67", " 8-495-1234567 ", "tel:+7-495-1234567;ext=5"]
        {
            assert_eq!(e164(written), "+74951234567", "{written}");
        }
    }

    #[test]
    fn international_prefixes_become_a_plus() {
        assert_eq!(e164("810493012345678"), "+493012345678");
        assert_eq!(e164("00493012345678"), "+493012345678");
        assert_eq!(e164("81074951234567"), "+74951234567");
        assert_eq!(e164("493012345678"), "+493012345678");
        assert_eq!(e164("12125551234"), "+12125551234");
        assert_eq!(e164("81312345678"), "+81312345678");
    }

    #[test]
    fn what_is_no_phone_number_stays() {
        for written in [
            "101",
            "user4",
            "112",
            "878725",
            "anonymous",
            "+7",
            "*100#",
            "1234567",
            "0123456789",
            "",
            "+79001234567890123",
        ] {
            let number = Number::parse(written);
            assert!(!number.is_phone_number(), "{written}");
            assert_eq!(number.write(NumberFormat::Digits), written);
            assert_eq!(number.e164(), None);
        }
    }

    #[test]
    fn a_number_is_written_the_carriers_way() {
        let number = Number::parse("8 495 123-45-67");
        assert_eq!(number.write(NumberFormat::Digits), "74951234567");
        assert_eq!(number.write(NumberFormat::Plus), "+74951234567");
        assert_eq!(number.write(NumberFormat::National8), "84951234567");
        assert_eq!(number.write(NumberFormat::AsIs), "8 495 123-45-67");
        assert_eq!(Number::parse("+493012345678").write(NumberFormat::National8), "810493012345678");
    }

    #[test]
    fn patterns_choose_numbers() {
        let moscow = NumberPattern::parse("+7495*").unwrap();
        assert!(moscow.matches(&Number::parse("84951234567")));
        assert!(!moscow.matches(&Number::parse("84991234567")));
        assert!(NumberPattern::parse("84951234567").unwrap().matches(&Number::parse("+74951234567")));
        assert!(NumberPattern::parse("1??").unwrap().matches(&Number::parse("101")));
        assert!(!NumberPattern::parse("1??").unwrap().matches(&Number::parse("1010")));
        assert!(NumberPattern::parse("*").unwrap().matches(&Number::parse("")));
        assert!(NumberPattern::parse("*67").unwrap().matches(&Number::parse("+74956767")));
        assert!(NumberPattern::parse("a b").is_err());
    }
}
