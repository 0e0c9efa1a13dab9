//! What a stand-in is told to do in a call: how to place it, how to answer it, and what to do while it lasts.

use crate::digest::Account;
use std::time::Duration;
use voip_core::codec::AudioCodec;
use voip_sip::message::Method;

/// Where a carrier writes the number that was dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Called {
    /// As the user of the Request-URI and of To.
    RequestUri(String),
    /// In To; the Request-URI has the login of the account.
    To {
        /// The account's login.
        login: String,
        /// The number.
        number: String,
    },
    /// In Diversion only; Request-URI and To have the login.
    Diversion {
        /// The account's login.
        login: String,
        /// The number.
        number: String,
    },
}

/// A call to be placed.
#[derive(Clone, Debug)]
pub struct CallPlan {
    /// The caller's number, as it stands in From.
    pub caller: String,
    /// The number that is called, and where it stands.
    pub called: Called,
    /// Codecs to offer, in order.
    pub codecs: Vec<AudioCodec>,
    /// Whether the INVITE has no offer, so that the answerer makes one (RFC 3264 §5).
    pub late_offer: bool,
    /// Give up with CANCEL so long after the INVITE.
    pub cancel_after: Option<Duration>,
    /// Send CANCEL only when the first provisional response has come (RFC 3261 §9.1).
    pub cancel_waits: bool,
    /// So many ACKs to a 200 are lost before one is sent.
    pub lost_acks: u32,
    /// Answers a digest challenge.
    pub account: Option<Account>,
    /// More header lines for the INVITE.
    pub headers: Vec<(String, String)>,
    /// How long to wait for a final response.
    pub patience: Duration,
    /// What to do once the call is answered.
    pub talk: Talk,
}

impl Default for CallPlan {
    fn default() -> Self {
        Self {
            caller: "79260577653".into(),
            called: Called::RequestUri("74951234567".into()),
            codecs: vec![AudioCodec::Pcma, AudioCodec::Pcmu],
            late_offer: false,
            cancel_after: None,
            cancel_waits: true,
            lost_acks: 0,
            account: None,
            headers: Vec::new(),
            patience: Duration::from_secs(32),
            talk: Talk::default(),
        }
    }
}

/// How calls are answered.
#[derive(Clone, Debug)]
pub struct AnswerPlan {
    /// Reject with this status, after ringing.
    pub reject: Option<u16>,
    /// How long to ring before that or before the answer.
    pub ring: Duration,
    /// Never send a provisional response but 100.
    pub silent_ringing: bool,
    /// What to do once the call is answered.
    pub talk: Talk,
}

impl Default for AnswerPlan {
    fn default() -> Self {
        Self { reject: None, ring: Duration::from_millis(200), silent_ringing: false, talk: Talk::default() }
    }
}

/// What to do while a call lasts.
#[derive(Clone, Debug)]
pub struct Talk {
    /// Speech to play, A-law; converted when the call is µ-law.
    pub speech: Option<Vec<u8>>,
    /// Silence before the speech.
    pub speak_after: Duration,
    /// Whether anything is sent at all.
    pub sends_audio: bool,
    /// What to do, each at its time after the answer.
    pub actions: Vec<(Duration, Action)>,
    /// When to hang up.
    pub hang_up: HangUp,
}

impl Default for Talk {
    fn default() -> Self {
        Self {
            speech: None,
            speak_after: Duration::ZERO,
            sends_audio: true,
            actions: Vec::new(),
            hang_up: HangUp::Never,
        }
    }
}

/// When to hang up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangUp {
    /// So long after the last packet of the speech.
    AfterSpeech(Duration),
    /// So long after the answer.
    After(Duration),
    /// Not before the other side; but no call outlives [`HangUp::LIMIT`].
    Never,
}

impl HangUp {
    /// The longest that any call lasts, answered.
    pub const LIMIT: Duration = Duration::from_secs(600);
}

/// Something to do during a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A re-INVITE that puts the call on hold: `sendonly`, so that what is played goes on.
    Hold,
    /// A re-INVITE that takes it off hold.
    Resume,
    /// A re-INVITE with another RTP port, which is used from then on.
    MoveAudio,
    /// A re-INVITE with the codecs in this order.
    Reorder(Vec<AudioCodec>),
    /// A key press for a duration.
    Press(char, Duration),
    /// A request without a body in the dialog: UPDATE, INFO, OPTIONS.
    Request(Method),
    /// Nothing is sent from here on.
    Mute,
    /// Something is sent again.
    Unmute,
}
