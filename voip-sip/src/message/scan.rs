//! Small scanners over bytes that every part of the grammar uses (RFC 3261 §25.1).

/// Whether the byte may stand in a token.
pub(crate) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

/// Linear white space within a line, or what is left of a folded line.
pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Without white space at either end.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes {
        if !is_space(*first) {
            break;
        }
        bytes = rest;
    }
    while let [rest @ .., last] = bytes {
        if !is_space(*last) {
            break;
        }
        bytes = rest;
    }
    bytes
}

/// The position of the first `wanted` byte that stands neither in a quoted string nor in angle brackets.
pub(crate) fn find_outside(bytes: &[u8], wanted: u8) -> Option<usize> {
    walk(bytes, Some(wanted)).ok()
}

/// Whether a quoted string or an angle bracket is still open at the end.
pub(crate) fn leaves_open(bytes: &[u8]) -> bool {
    memchr::memchr2(b'"', b'<', bytes).is_some() && walk(bytes, None) == Err(true)
}

/// Where `wanted` stands outside of quotes and brackets; where it does not, whether one of them is open at the end.
fn walk(bytes: &[u8], wanted: Option<u8>) -> Result<usize, bool> {
    let (mut quoted, mut bracketed, mut i) = (false, false, 0);
    while i < bytes.len() {
        let byte = bytes[i];
        if quoted {
            match byte {
                b'\\' => i += 1,
                b'"' => quoted = false,
                _ => {}
            }
        } else if Some(byte) == wanted && !bracketed {
            return Ok(i);
        } else {
            match byte {
                b'"' => quoted = true,
                b'<' => bracketed = true,
                b'>' => bracketed = false,
                _ => {}
            }
        }
        i += 1;
    }
    Err(quoted || bracketed)
}

/// The parts of a list of values (RFC 3261 §7.3.1).
pub(crate) fn comma_list(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    split_outside(bytes, b',')
}

/// The parts between separators that stand neither in quoted strings nor in angle brackets, trimmed, empty ones left
/// out.
pub(crate) fn split_outside(bytes: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        loop {
            let bytes = rest?;
            let part = match find_outside(bytes, separator) {
                Some(at) => {
                    rest = Some(&bytes[at + 1..]);
                    &bytes[..at]
                }
                None => {
                    rest = None;
                    bytes
                }
            };
            let part = trim(part);
            if !part.is_empty() {
                return Some(part);
            }
        }
    })
}

/// The contents of a quoted string without its quotes and escapes; anything else unchanged.
pub(crate) fn unquote(bytes: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    let [b'"', inner @ .., b'"'] = bytes else { return std::borrow::Cow::Borrowed(bytes) };
    if !inner.contains(&b'\\') {
        return std::borrow::Cow::Borrowed(inner);
    }
    let mut plain = Vec::with_capacity(inner.len());
    let mut escaped = false;
    for &byte in inner {
        if byte == b'\\' && !escaped {
            escaped = true;
        } else {
            plain.push(byte);
            escaped = false;
        }
    }
    std::borrow::Cow::Owned(plain)
}

/// Writes a quoted string with what needs escaping escaped, control characters among it (RFC 3261 §25.1
/// quoted-string). CR and LF cannot be escaped.
pub(crate) fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text {
        let control = byte.is_ascii_control() && !is_space(byte);
        if control || matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(if matches!(byte, b'\r' | b'\n') { b' ' } else { byte });
    }
    out.push(b'"');
}

/// Writes bytes that must not break out of their line: CR and LF become spaces.
pub(crate) fn push_line_safe(bytes: &[u8], out: &mut Vec<u8>) {
    if memchr::memchr2(b'\r', b'\n', bytes).is_none() {
        out.extend_from_slice(bytes);
    } else {
        out.extend(bytes.iter().map(|b| if matches!(b, b'\r' | b'\n') { b' ' } else { *b }));
    }
}

/// Writes a decimal number.
pub(crate) fn push_number(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_quotes_and_brackets_do_not_part_a_list() {
        let list: Vec<&[u8]> = comma_list(br#""a, \", b" <sip:x,y@h>, , <sip:b> ,c"#).collect();
        assert_eq!(list, [br#""a, \", b" <sip:x,y@h>"#.as_slice(), b"<sip:b>", b"c"]);
    }

    #[test]
    fn quoting_and_unquoting_are_inverse() {
        let mut out = Vec::new();
        quote(br#"say "hi" \ bye"#, &mut out);
        assert_eq!(out, br#""say \"hi\" \\ bye""#);
        assert_eq!(unquote(&out).as_ref(), br#"say "hi" \ bye"#);
    }

    #[test]
    fn numbers_are_written_in_decimal() {
        let mut out = Vec::new();
        for n in [0, 7, 10, 4_294_967_295, u64::MAX] {
            push_number(n, &mut out);
            out.push(b' ');
        }
        assert_eq!(out, b"0 7 10 4294967295 18446744073709551615 ");
    }
}
