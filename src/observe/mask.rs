//! Takes credentials out of SIP messages that are to be shown.
//!
//! What proves knowledge of a password (digest `response` and `cnonce`, RFC 7616 §3.4; anything of other schemes) and
//! media keys (`a=crypto`, RFC 4568 §9.1) are replaced; what explains a failure (user name, realm, nonce, algorithm)
//! stays. Control characters are replaced too: a message must not be able to write on the operator's terminal.

use std::borrow::Cow;

/// Shown in place of what is hidden.
const MASK: &str = "***";

/// Parameters of a digest that tell nothing about the password.
const SHOWN: [&str; 9] = ["username", "realm", "nonce", "uri", "algorithm", "qop", "nc", "opaque", "userhash"];

/// A message as it may be shown. Anything can be given: what is no SIP message is shown with the same care.
pub fn mask_message(message: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(message);
    let clean = |text: &str| {
        !text.chars().any(is_unsafe) && !text.lines().any(|line| is_credentials(line) || key_of(line).is_some())
    };
    if clean(&text) {
        return text;
    }
    let mut shown = String::with_capacity(text.len());
    let mut in_credentials = false;
    let mut in_headers = true;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\r', '\n']);
        let ending = &line[content.len()..];
        if content.is_empty() {
            in_headers = false;
        }
        // A line that begins with a blank continues the header before it (RFC 3261 §7.3.1).
        let continues = in_headers && content.starts_with([' ', '\t']);
        in_credentials = is_credentials(content) || (continues && in_credentials);
        if in_credentials && continues {
            shown.push(' ');
            shown.push_str(MASK);
        } else if in_credentials {
            mask_credentials(content, &mut shown);
        } else if let Some(before) = key_of(content) {
            push_safe(before, &mut shown);
            shown.push_str(MASK);
        } else {
            push_safe(content, &mut shown);
        }
        shown.push_str(ending);
    }
    Cow::Owned(shown)
}

/// Whether a line is a header that carries credentials.
fn is_credentials(line: &str) -> bool {
    let Some((name, _)) = line.split_once(':') else { return false };
    let name = name.trim_end();
    ["authorization", "proxy-authorization"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// What stands before the key in a line that carries a media key.
fn key_of(line: &str) -> Option<&str> {
    if !line.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("a=crypto:")) {
        return None;
    }
    let key = line.to_ascii_lowercase().find("inline:").map_or(9, |at| at + 7);
    line.get(..key)
}

/// The header with each parameter that is not known to be harmless masked.
fn mask_credentials(line: &str, shown: &mut String) {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    push_safe(name, shown);
    shown.push_str(": ");
    let (scheme, parameters) = value.trim_start().split_once([' ', '\t']).unwrap_or_else(|| (value.trim(), ""));
    if !scheme.eq_ignore_ascii_case("digest") {
        // The scheme's name alone, if it is one.
        if scheme.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-') && !parameters.is_empty() {
            push_safe(scheme, shown);
            shown.push(' ');
        }
        shown.push_str(MASK);
        return;
    }
    push_safe(scheme, shown);
    for (i, parameter) in split_parameters(parameters).into_iter().enumerate() {
        shown.push_str(if i == 0 { " " } else { ", " });
        match parameter.split_once('=') {
            Some((name, value)) => {
                push_safe(name.trim(), shown);
                shown.push('=');
                let value = value.trim();
                let harmless = SHOWN.iter().any(|known| name.trim().eq_ignore_ascii_case(known)) && is_simple(value);
                push_safe(if harmless { value } else { MASK }, shown);
            }
            None => shown.push_str(MASK),
        }
    }
}

/// A token or a plain quoted string: quotes in quotes may hide where the next parameter begins.
fn is_simple(value: &str) -> bool {
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    !inner.contains(['"', '\\'])
}

/// Splits at commas that do not stand in quotes.
fn split_parameters(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if quoted {
        // An open quote may hide a parameter in what looks like the value of a harmless one.
        parts.push("");
    } else {
        parts.push(text[start..].trim());
    }
    parts
}

fn is_unsafe(c: char) -> bool {
    c.is_control() && !matches!(c, '\r' | '\n' | '\t')
}

fn push_safe(text: &str, shown: &mut String) {
    shown.extend(text.chars().map(|c| if is_unsafe(c) { char::REPLACEMENT_CHARACTER } else { c }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_keeps_what_explains_and_loses_what_proves() {
        let message = b"REGISTER sip:example.com SIP/2.0\r\nAuthorization: Digest username=\"eleven\",realm=\"a, b\",\
            nonce=\"84a4cc6f\", uri=\"sip:example.com\", response=\"6629fae49393a05397450978507c4ef1\", algorithm=MD5, \
            cnonce=\"0a4f113b\", qop=auth, nc=00000001\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(
            mask_message(message),
            "REGISTER sip:example.com SIP/2.0\r\nAuthorization: Digest username=\"eleven\", realm=\"a, b\", \
             nonce=\"84a4cc6f\", uri=\"sip:example.com\", response=***, algorithm=MD5, cnonce=***, qop=auth, \
             nc=00000001\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn no_way_of_writing_the_header_shows_the_secret() {
        for header in [
            "proxy-authorization : Digest response=SECRET",
            "PROXY-AUTHORIZATION:Digest\r\n username=\"u\",\r\n\tresponse=\"SECRET\"",
            "Authorization: Basic SECRET",
            "Authorization: SECRET",
            "Authorization: Bearer  SECRET",
            "Authorization: Digest SECRET",
            "Authorization: Digest username=\"u, response=\"SECRET\"",
            "Authorization: Digest username=\"u\\\", response=\"SECRET",
            "Authorization: Digest nonce=\"n\", auth-param=\"SECRET\"",
            "\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:SECRET|2^20",
            "\r\nA=CRYPTO:SECRET",
        ] {
            let message = format!("INVITE sip:a SIP/2.0\r\n{header}\r\nVia: x\r\n\r\n");
            let shown = mask_message(message.as_bytes());
            assert!(!shown.contains("SECRET"), "{shown}");
            assert!(shown.contains("***") && shown.contains("Via: x\r\n"), "{shown}");
        }
    }

    #[test]
    fn a_message_without_secrets_is_not_copied() {
        let message = b"SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n\r\nv=0\r\n";
        assert!(matches!(mask_message(message), Cow::Borrowed(text) if text.as_bytes() == message));
    }

    #[test]
    fn noise_cannot_write_on_the_terminal() {
        assert_eq!(mask_message(b"\x1b[2JOPTIONS\x07\xff\r\n"), "\u{fffd}[2JOPTIONS\u{fffd}\u{fffd}\r\n");
    }
}
