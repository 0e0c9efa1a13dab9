//! Keys carried by INFO: `application/dtmf-relay` and `application/dtmf`, as SIP devices have sent them since before
//! RFC 6086 gave INFO packages.

/// The key and its duration in ms.
pub(super) fn parse_dtmf(content_type: &str, body: &[u8]) -> Option<(char, u32)> {
    let text = std::str::from_utf8(body).ok()?;
    match content_type {
        "application/dtmf-relay" => {
            let value = |name: &str| {
                text.lines().find_map(|line| {
                    let (key, value) = line.split_once('=')?;
                    key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
                })
            };
            let duration = value("duration").and_then(|ms| ms.parse().ok()).unwrap_or(DEFAULT_MS);
            Some((key(value("signal")?)?, duration))
        }
        "application/dtmf" => Some((key(text.trim())?, DEFAULT_MS)),
        _ => None,
    }
}

/// The duration of a key that names none, ms: what telephones commonly hold.
const DEFAULT_MS: u32 = 160;

/// A key by its character, or by its event number of RFC 4733 §3.2.
fn key(text: &str) -> Option<char> {
    let mut characters = text.chars();
    match (characters.next()?.to_ascii_uppercase(), characters.next()) {
        (key @ ('0'..='9' | '*' | '#' | 'A'..='D'), None) => Some(key),
        _ => match text.parse::<u8>().ok()? {
            10 => Some('*'),
            11 => Some('#'),
            event @ 12..=15 => Some(char::from(b'A' + event - 12)),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        assert_eq!(parse_dtmf("application/dtmf-relay", b"Signal=5\r\nDuration=250\r\n"), Some(('5', 250)));
        assert_eq!(parse_dtmf("application/dtmf-relay", b"Signal= *\n"), Some(('*', 160)));
        assert_eq!(parse_dtmf("application/dtmf", b"11"), Some(('#', 160)));
        assert_eq!(parse_dtmf("application/dtmf", b"x"), None);
        assert_eq!(parse_dtmf("text/plain", b"5"), None);
    }
}
