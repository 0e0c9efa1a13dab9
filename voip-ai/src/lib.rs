//! Conversation partners for telephone calls: the agent traits, turn-taking, one protocol codec per vendor.
//!
//! The room is here because the layers are laid out from the first day; nothing stands in it yet. Agents that are
//! reached by SIP need none of it: they are trunks of the gateway in `voip`.
