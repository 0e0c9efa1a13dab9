//! Two URIs, parted by a space (RFC 3261 §19.1): each is written as it reads, and comparing them is symmetric.

use voip_sip::message::{ByteStr, Uri};

pub(crate) fn run(data: &[u8]) {
    let mut uris = data.splitn(2, |b| *b == b' ').filter_map(|part| Uri::parse(&ByteStr::from(part.to_vec())));
    let Some(first) = uris.next() else { return };
    let second = uris.next();
    for uri in [Some(&first), second.as_ref()].into_iter().flatten() {
        let mut written = Vec::new();
        uri.write(&mut written);
        let again = Uri::parse(&ByteStr::from(written)).expect("a written URI reads");
        assert_eq!(again, *uri);
        assert!(again.equivalent(uri), "a URI is equivalent to itself");
        let _ = (uri.user_name(), uri.transport(), uri.is_loose_route());
    }
    if let Some(second) = second {
        assert_eq!(first.equivalent(&second), second.equivalent(&first));
    }
}
